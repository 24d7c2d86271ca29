Feature: The end is final
  What is done stays done, with the result that it had, whatever comes later and whoever asks.

  @req:operation.terminal.done-monotonic
  Rule: `done` never goes from true back to false.

    Scenario: A cancelled operation
      Given a running operation
      When the client cancels it and watches it over several connections
      Then every answer keeps the rule

    Scenario: An operation that was cancelled while it was queued
      Given a pending operation
      When the client cancels it and watches it over several connections
      Then every answer keeps the rule

    Scenario Outline: A <kind> operation that was cancelled
      Given a <kind> operation
      When the client cancels it and watches it over several connections
      Then every answer keeps the rule

      Examples:
        | kind   |
        | slow   |
        | nested |

    Scenario: A cancelled operation that somebody waited for
      Given a running operation
      When the client cancels it while a Wait for it is pending, and looks at it then
      Then every answer keeps the rule

    Scenario: An operation that was cancelled before it could succeed
      Given an operation that is about to succeed
      When the client cancels it and watches it past the end of its like
      Then every answer keeps the rule

    Scenario: An operation that was cancelled before it could fail
      Given an operation that is about to fail
      When the client cancels it and watches it past the end of its like
      Then every answer keeps the rule

    Scenario Outline: An operation that <ends>
      Given an operation that is about to <end>
      When the client follows it to its end and watches it over several connections
      Then every answer keeps the rule

      Examples:
        | ends     | end     |
        | succeeds | succeed |
        | fails    | fail    |

  @req:operation.terminal.result-immutable
  Rule: Once done, the result (which member, code, response payload) does not change.

    Scenario: A cancelled operation
      Given a running operation
      When the client cancels it and watches it over several connections
      Then every answer keeps the rule

    Scenario: An operation that was cancelled while it was queued
      Given a pending operation
      When the client cancels it and watches it over several connections
      Then every answer keeps the rule

    Scenario Outline: A <kind> operation that was cancelled
      Given a <kind> operation
      When the client cancels it and watches it over several connections
      Then every answer keeps the rule

      Examples:
        | kind   |
        | slow   |
        | nested |

    Scenario: An operation that was cancelled before it could succeed
      Given an operation that is about to succeed
      When the client cancels it and watches it past the end of its like
      Then every answer keeps the rule

    Scenario: An operation that was cancelled before it could fail
      Given an operation that is about to fail
      When the client cancels it and watches it past the end of its like
      Then every answer keeps the rule

    Scenario Outline: An operation that <ends>
      Given an operation that is about to <end>
      When the client follows it to its end and watches it over several connections
      Then every answer keeps the rule

      Examples:
        | ends     | end     |
        | succeeds | succeed |
        | fails    | fail    |
