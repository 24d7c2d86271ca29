@grpc
Feature: What only gRPC has

  @req:grpc.method-path
  Rule: The method is `/google.longrunning.Operations/CancelOperation`.

    Scenario: The method is at its path
      Given a running operation
      When the client calls the method of a cancel
      Then the method is there

  @req:grpc.returns-empty
  Rule: On OK exactly one message is returned and it is google.protobuf.Empty (normally zero bytes).

    Scenario: The message is an Empty
      Given a running operation
      When the client cancels it
      Then the answer is an Empty

    Scenario Outline: The message of a repeated cancel is an Empty
      Given a <role> operation
      When the client cancels it three times
      Then each answer is an Empty

      Examples:
        | role    |
        | running |
        | slow    |
        | pending |
        | nested  |

    Scenario Outline: The message of the cancel of a finished operation is an Empty
      Given an operation that has <ended>
      When the client cancels it
      Then the answer is an Empty

      Examples:
        | ended          |
        | succeeded      |
        | failed         |
        | been cancelled |

  @req:grpc.unary
  Rule: The call is unary; no second message.

    Scenario: There is no second message
      Given a running operation
      When the client cancels it
      Then the answer is one message

    Scenario Outline: There is no second message of a repeated cancel
      Given a <role> operation
      When the client cancels it three times
      Then each answer is one message

      Examples:
        | role    |
        | running |
        | slow    |
        | pending |
        | nested  |

    Scenario Outline: There is no second message after the end
      Given an operation that has <ended>
      When the client cancels it
      Then the answer is one message

      Examples:
        | ended          |
        | succeeded      |
        | failed         |
        | been cancelled |

  @req:grpc.status-in-trailers
  Rule: HTTP/2 `:status` is 200 and the result is in `grpc-status`, also for errors.

    Scenario: A success of Cancel
      Given a running operation
      When the client cancels it
      Then every answer keeps the rule

    Scenario: An error of Cancel
      Given a name that no operation has
      When the client cancels that name
      Then every answer keeps the rule

    Scenario: An error of Get
      Given a name that no operation has
      When the client asks for that name
      Then every answer keeps the rule

    Scenario: An error of Wait
      Given a server that offers Wait
      And a name that no operation has
      When the client waits for that name
      Then every answer keeps the rule

    Scenario: An error of List
      Given a server that offers List
      When the client asks for a page that no list has
      Then every answer keeps the rule

    Scenario: An error of Delete
      Given a server that offers Delete
      When the client deletes what was deleted before
      Then every answer keeps the rule

  @req:grpc.unknown-method
  Rule: An unknown method or service is UNIMPLEMENTED.

    Scenario Outline: What is not there is not implemented
      Given a running operation
      When the client calls <what>
      Then the answer is that there is no such method

      Examples:
        | what               |
        | an unknown method  |
        | an unknown service |

  @req:grpc.empty-name
  Rule: An empty `name` is rejected.

    Scenario Outline: An empty name is rejected
      Given a running operation
      When the client sends a cancel of <name>
      Then the empty name is rejected

      Examples:
        | name          |
        | no name       |
        | an empty name |

  @req:grpc.name-literal
  Rule: gRPC names are literal: percent sequences are not decoded, no leading slash or version prefix is needed.

    Scenario: A percent sequence is not decoded
      Given a running operation
      When the client sends a cancel of its name with a percent-encoded character
      Then the name is taken to the letter

    Scenario Outline: Nor is any other percent sequence
      Given a running operation
      When the client sends a cancel of its name with <what> percent-encoded
      Then the name is taken to the letter

      Examples:
        | what                             |
        | every letter and digit of its id |
        | a slash                          |

    Scenario Outline: Nor is anything behind it left out
      Given a running operation
      When the client sends a cancel of its name with <what> behind it
      Then the name is taken to the letter

      Examples:
        | what        |
        | the verb    |
        | a slash     |
        | a parameter |

  @req:grpc.unknown-fields
  Rule: Unknown fields in the binary request are tolerated.

    Scenario Outline: An unknown field changes nothing
      Given a running operation
      When the client cancels it by sending <form>
      Then the cancel counts like a plain one

      Examples:
        | form                               |
        | an unknown field after its name    |
        | an unknown field before its name   |
        | an unknown message beside its name |

  @req:grpc.malformed-payload
  Rule: An undecodable request payload fails INTERNAL (library) or INVALID_ARGUMENT; nothing is cancelled.

    Scenario Outline: What is no message is refused
      Given a running operation
      When the client sends a cancel of <payload>
      Then what cannot be decoded is refused

      Examples:
        | payload                                       |
        | bytes that are no message                     |
        | its name, followed by bytes that are no field |
        | a name that is cut short                      |
