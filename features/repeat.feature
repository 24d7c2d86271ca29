Feature: Cancelling more than once
  A client that did not see the answer cancels again, and several clients may cancel at once: the outcome is as of one cancel.

  @req:cancel.repeat.accepted
  Rule: Repeating cancel while the first is still in effect is OK (idempotent).

    Scenario: A repeated cancel is accepted
      Given a running operation
      When the client cancels it three times
      Then the repeated cancels are accepted

    Scenario: A repeated cancel of an operation that is slow to stop is accepted
      Given a slow operation
      When the client cancels it three times
      Then the repeated cancels are accepted

  @req:cancel.repeat.single-outcome
  Rule: However many cancels are sent, there is one terminal result and it obeys the operation invariants.

    Scenario: Ten cancels have one outcome
      Given a running operation
      When the client cancels it ten times
      Then it has one result

    Scenario: Cancels before and after its end have one outcome
      Given a running operation
      When the client cancels it until it has ended, and some more
      Then it has one result

    Scenario: Three cancels of an operation that is slow to stop have one outcome
      Given a slow operation
      When the client cancels it three times
      Then it has one result

    Scenario: Ten cancels of an operation that is slow to stop have one outcome
      Given a slow operation
      When the client cancels it ten times
      Then it has one result

    Scenario: Two cancels of an operation that is slow to stop have one outcome
      Given a slow operation
      When the client cancels it twice
      Then it has one result

    Scenario: Two cancels in a row of an operation that is slow to stop have one outcome
      Given a slow operation
      When the client cancels it twice in a row
      Then it has one result

    Scenario Outline: Three cancels of a <kind> operation have one outcome
      Given a <kind> operation
      When the client cancels it three times
      Then it has one result

      Examples:
        | kind    |
        | pending |
        | nested  |

  @req:cancel.repeat.code-legal
  Rule: A repeated cancel answers OK, FAILED_PRECONDITION or ABORTED – never NOT_FOUND, ALREADY_EXISTS, CANCELLED, INTERNAL, UNKNOWN.

    Scenario: The answers to repeated cancels are legal
      Given a running operation
      When the client cancels it ten times
      Then the answers to the cancels are legal

    Scenario: The answers to repeated cancels of an operation that is slow to stop are legal
      Given a slow operation
      When the client cancels it ten times
      Then the answers to the cancels are legal

    Scenario Outline: The answers to repeated cancels of a <kind> operation are legal
      Given a <kind> operation
      When the client cancels it three times
      Then the answers to the cancels are legal

      Examples:
        | kind    |
        | pending |
        | nested  |

    @rest
    Scenario Outline: The answers to repeated cancels that send nothing are legal
      Given a running operation
      When the client cancels it three times by sending <nothing>
      Then the answers to the cancels are legal

      Examples:
        | nothing                              |
        | no body and no content type          |
        | no body and the content type of JSON |

    @rest
    Scenario Outline: The answers to repeated cancels that send nothing are legal for an operation that is slow to stop
      Given a slow operation
      When the client cancels it three times by sending <nothing>
      Then the answers to the cancels are legal

      Examples:
        | nothing                              |
        | no body and no content type          |
        | no body and the content type of JSON |

  @req:cancel.concurrent.single-outcome
  Rule: N concurrent cancels of one operation yield one consistent terminal result.

    Scenario: Cancels at once have one outcome
      Given a running operation
      When sixteen clients cancel it at once
      Then it has one result

    Scenario Outline: Cancels at once of a <kind> operation have one outcome
      Given a <kind> operation
      When sixteen clients cancel it at once
      Then it has one result

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

  @req:cancel.concurrent.no-server-error
  Rule: Concurrency does not produce INTERNAL/UNKNOWN/DATA_LOSS (HTTP 500).

    Scenario: Cancels at once do not break the server
      Given a running operation
      When sixteen clients cancel it at once
      Then no answer is a server fault

    Scenario Outline: Cancels at once of a <kind> operation do not break the server
      Given a <kind> operation
      When sixteen clients cancel it at once
      Then no answer is a server fault

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

  @req:cancel.deadline.safe
  Rule: A cancel call that times out client-side leaves the operation in a consistent state; cancel may or may not have taken effect and a retry is safe.

    Scenario: A cancel that was given up can be sent again
      Given a running operation
      When the client gives up a cancel early and sends it again
      Then it has one result
