Feature: A refused cancel
  Who is told that nothing was done can rely on it.

  @req:cancel.rejected.no-effect
  Rule: A cancel answered with UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION or UNIMPLEMENTED has no effect on any operation.

    Scenario Outline: A cancel that is sent <how> and refused
      Given a running operation
      When the client tries to cancel it <how>
      Then a refused cancel has changed nothing

      Examples:
        | how                           |
        | as any other                  |
        | without credentials           |
        | as a stranger                 |
        | by a name made from its own   |
        | by its name with blanks added |

    Scenario Outline: A cancel of a <kind> operation that is refused
      Given a <kind> operation
      When the client tries to cancel it as any other
      Then a refused cancel has changed nothing

      Examples:
        | kind    |
        | pending |
        | nested  |

    Scenario: A cancel of a name that is refused before an operation of that name is started
      Given a name for an operation that is not started yet
      When the client cancels that name
      And an operation is started under that name
      Then it goes on, if that cancel was refused

    Scenario: The cancel of an operation that cannot be cancelled
      Given an uncancellable operation
      When the client cancels it
      Then a refused cancel has changed nothing

    @rest
    Scenario: A cancel of a name that percent-encodes that of an operation
      Given a name that percent-encodes that of a running operation
      When the client cancels that name
      Then a refused cancel has changed nothing

    @rest
    Scenario Outline: A cancel that is sent over REST <how> and refused
      Given a running operation
      And another running operation
      When the client tries to cancel it <how>
      Then a refused cancel has changed nothing

      Examples:
        | how                                               |
        | with a member that is not known                   |
        | with a body that is no JSON                       |
        | with a string for its body                        |
        | with an array for its body                        |
        | with a number for its body                        |
        | with a body of another media type                 |
        | with a form for its body                          |
        | with its own name in its body                     |
        | with the name of another operation in its body    |
        | with the name of another operation as a parameter |
