Feature: Cancelling what cannot be an operation

  @req:cancel.malformed.rejected
  Rule: A name that cannot be an operation name (wrong collection, illegal characters) is rejected INVALID_ARGUMENT or NOT_FOUND; never OK.

    Scenario Outline: A malformed name is rejected
      Given a running operation
      When the client cancels a name <name>
      Then the name is rejected

      Examples:
        | name                    |
        | of another collection   |
        | of the collection alone |
        | of slashes              |
        | with illegal characters |

    Scenario Outline: A strange name is not accepted
      Given a running operation
      When the client cancels a name <name>
      Then the name is not accepted

      Examples:
        | name          |
        | of 4 KiB      |
        | with a NUL    |
        | with an emoji |

    Scenario Outline: What is behind a name belongs to it
      Given a running operation
      When the client cancels a name <name>
      Then the name is not accepted

      Examples:
        | name                             |
        | of an operation with a space     |
        | of an operation with a line feed |
        | of an operation with a NUL       |

  @req:cancel.malformed.no-crash
  Rule: Very long, non-UTF-8, NUL, Unicode names do not give 5xx or kill the server.

    Scenario Outline: A strange name is no fault of the server
      Given a running operation
      When the client cancels a name <name>
      Then it is no fault of the server, which goes on

      Examples:
        | name             |
        | of 4 KiB         |
        | with a NUL       |
        | that is no UTF-8 |
        | with an emoji    |
