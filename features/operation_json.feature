@rest
Feature: What every operation keeps in JSON

  @req:operation.json.done-boolean
  Rule: `done` is a JSON boolean when present; absent means false.

    Scenario: An operation that is cancelled
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that ends by itself
      Given an operation that is about to succeed
      When the client follows it to its end
      Then every answer keeps the rule

  @req:operation.json.error-is-status
  Rule: `Operation.error` in JSON is a google.rpc.Status (`code` int32, `message`, `details[]`), not the HTTP error envelope.

    Scenario: An operation that is cancelled
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that fails
      Given an operation that is about to fail
      When the client follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that has failed, in a list
      Given an operation that has failed
      When the client lists the operations
      Then every answer keeps the rule

  @req:operation.json.any-type
  Rule: `metadata` and `response`, when present and non-null, are objects with a string `@type`.

    Scenario: An operation that is cancelled
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that ends by itself
      Given an operation that is about to succeed
      When the client follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that has succeeded, to one who waits for it
      Given an operation that has succeeded
      When the client waits for it
      Then every answer keeps the rule

  @req:operation.json.no-null
  Rule: Members are omitted rather than null.

    Scenario: An operation that is cancelled
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that ends by itself
      Given an operation that is about to succeed
      When the client follows it to its end
      Then every answer keeps the rule
