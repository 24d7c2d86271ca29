Feature: What the contract leaves open
  Nothing here can fail: what a server does is recorded.

  @req:cancel.no-etag
  Rule: CancelOperationRequest has no etag or request_id; conditional headers have no defined effect.

    Scenario: A cancel on a condition
      Given a running operation
      When the client cancels it on a condition that does not hold
      Then it is recorded whether the condition counts

  @req:cancel.parent-resource-state
  Rule: What happens to resources or partial results of the cancelled work is service-specific.

    Scenario: What is left of the work
      Given a running operation
      When the client cancels it and follows it to its end
      Then it is recorded what is left of the work

  @req:cancel.timing
  Rule: No time bound is specified between cancel and terminal state.

    Scenario: How long a cancellation takes
      Given a running operation
      When the client cancels it and follows it to its end
      Then it is recorded how long that took
