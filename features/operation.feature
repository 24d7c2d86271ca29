Feature: What every operation keeps
  These rules hold for every answer that shows an operation, whoever asks.

  @req:operation.result.none-before-done
  Rule: While `done` is false neither `error` nor `response` is set.

    Scenario: An operation that is cancelled
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that ends by itself
      Given an operation that is about to succeed
      When the client follows it to its end
      Then every answer keeps the rule

  @req:operation.result.exclusive
  Rule: Never both `error` and `response`.

    Scenario: An operation that is cancelled
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that ends by itself
      Given an operation that is about to succeed
      When the client follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that somebody waits for
      Given a running operation
      When the client cancels it while a Wait for it is pending
      Then every answer keeps the rule

  @req:operation.result.present
  Rule: When done, one of `error`/`response` is present.

    Scenario: An operation that is cancelled
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that ends by itself
      Given an operation that is about to succeed
      When the client follows it to its end
      Then every answer keeps the rule

  @req:operation.error.code-valid
  Rule: `error.code` is the number of a google.rpc.Code value (0–16).

    Scenario: An operation that is cancelled
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that fails
      Given an operation that is about to fail
      When the client follows it to its end
      Then every answer keeps the rule

  @req:operation.error.code-nonzero
  Rule: A set `error` does not have code 0 (OK).

    Scenario: An operation that is cancelled
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that fails
      Given an operation that is about to fail
      When the client follows it to its end
      Then every answer keeps the rule
