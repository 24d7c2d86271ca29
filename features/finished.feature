Feature: Cancelling a finished operation
  What has ended stays as it ended, and the answer says so without a server fault.

  @req:cancel.finished.preserves-success
  Rule: Cancelling an operation that ended with `response` leaves it exactly so.

    Scenario: A success stays a success
      Given an operation that has succeeded
      When the client cancels it
      Then it stays as it ended

    Scenario: A success that somebody has waited for stays a success
      Given an operation that has succeeded, and that somebody has waited for
      When the client cancels it
      Then it stays as it ended

    Scenario: A success of long ago stays a success
      Given an operation that was started before all others and has succeeded
      When the client cancels it
      Then it stays as it ended

    @rest
    Scenario Outline: A success stays a success, however the cancel is sent
      Given an operation that has succeeded
      When the client cancels it by sending <form>
      Then it stays as it ended

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |

    Scenario: A success stays a success where the cancel has a routing header
      Given an operation that has succeeded
      When the client cancels it by sending the routing header
      Then it stays as it ended

  @req:cancel.finished.preserves-failure
  Rule: Cancelling an operation that ended with an error ≠ 1 does not turn it into CANCELLED.

    Scenario: A failure stays a failure
      Given an operation that has failed
      When the client cancels it
      Then it stays as it ended

    Scenario: A failure that somebody has waited for stays a failure
      Given an operation that has failed, and that somebody has waited for
      When the client cancels it
      Then it stays as it ended

    @rest
    Scenario Outline: A failure stays a failure, however the cancel is sent
      Given an operation that has failed
      When the client cancels it by sending <form>
      Then it stays as it ended

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |

    Scenario: A failure stays a failure where the cancel has a routing header
      Given an operation that has failed
      When the client cancels it by sending the routing header
      Then it stays as it ended

  @req:cancel.finished.preserves-cancelled
  Rule: Cancelling an already cancelled operation leaves it cancelled.

    Scenario: A cancelled operation stays cancelled
      Given an operation that has been cancelled
      When the client cancels it
      Then it stays as it ended

    Scenario Outline: A <kind> operation that was cancelled stays cancelled
      Given a <kind> operation that has been cancelled
      When the client cancels it
      Then it stays as it ended

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    @rest
    Scenario Outline: A cancelled operation stays cancelled, however the cancel is sent
      Given an operation that has been cancelled
      When the client cancels it by sending <form>
      Then it stays as it ended

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |

    Scenario: A cancelled operation stays cancelled where the cancel has a routing header
      Given an operation that has been cancelled
      When the client cancels it by sending the routing header
      Then it stays as it ended

  @req:cancel.finished.status-legal
  Rule: The call answers OK, FAILED_PRECONDITION, ABORTED, INVALID_ARGUMENT or (if consistently so) UNIMPLEMENTED; never INTERNAL/UNKNOWN/CANCELLED/ALREADY_EXISTS, and NOT_FOUND only if Get also says NOT_FOUND.

    Scenario Outline: The answer is legal
      Given an operation that has <ended>
      When the client cancels it
      Then the answer is legal for a finished operation

      Examples:
        | ended          |
        | succeeded      |
        | failed         |
        | been cancelled |

    Scenario Outline: The answer is legal for an operation that has <ended> some time ago
      Given an operation that has <ended> some time ago
      When the client cancels it
      Then the answer is legal for a finished operation

      Examples:
        | ended          |
        | succeeded      |
        | been cancelled |

    Scenario: The answer is legal for an operation that has succeeded long ago
      Given an operation that was started before all others and has succeeded
      When the client cancels it
      Then the answer is legal for a finished operation

    Scenario Outline: The answer is legal for a <kind> operation that was cancelled
      Given a <kind> operation that has been cancelled
      When the client cancels it
      Then the answer is legal for a finished operation

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario: The answer is legal for an operation that was cancelled while somebody waited for it
      Given an operation that was cancelled while a Wait for it was pending
      When the client cancels it
      Then the answer is legal for a finished operation

    Scenario: The answer is legal around the end
      Given an operation that is about to succeed
      When clients cancel operations around the time of their end
      Then each answer is legal for a finished operation

    @rest
    Scenario Outline: The answer is legal, however the cancel is sent
      Given an operation that has succeeded
      When the client cancels it by sending <form>
      Then the answer is legal for a finished operation

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |

  @req:cancel.finished.status-preferred
  Rule: Preferred: OK/`{}` (no-op) or FAILED_PRECONDITION (400).

    Scenario Outline: The answer is a preferred one
      Given an operation that has <ended>
      When the client cancels it
      Then the answer is one of the preferred for a finished operation

      Examples:
        | ended          |
        | succeeded      |
        | failed         |
        | been cancelled |
