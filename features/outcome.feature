Feature: When and how a cancel takes effect
  The cancel only starts the cancellation; what becomes of it is seen by Get.

  @req:cancel.accept.pending
  Rule: A queued (not yet running) operation can be cancelled the same way and ends the same way.

    Scenario: A queued operation can be cancelled
      Given a server that supports cancel
      And a pending operation
      When the client cancels it
      Then the cancel is accepted like that of a running one

    Scenario: A queued operation that is cancelled ends like a running one
      Given a pending operation
      When the client cancels it
      Then it ends as one that was running

  @req:cancel.response.returns-promptly
  Rule: Cancel only *starts* the cancellation: it returns without waiting for a slow cancellation to end.

    Scenario: The cancel does not wait for the end
      Given a slow operation
      When the client cancels it and takes the time
      Then the cancel returns before the operation has stopped

    Scenario: A second cancel does not wait for the end either
      Given a slow operation
      When the client cancels it twice and takes the time of the second
      Then the cancel returns before the operation has stopped

    @rest
    Scenario: A cancel without a body does not wait for the end either
      Given a slow operation
      When the client cancels it without a body and takes the time
      Then the cancel returns before the operation has stopped

  @req:cancel.response.same-for-all-outcomes
  Rule: The success response carries no information on whether the cancellation will succeed.

    Scenario: What success tells
      Given a running operation
      When the client cancels it
      Then what the answer tells is recorded

  @req:cancel.unimplemented.per-resource
  Rule: Support may differ by operation kind.

    Scenario: An operation of another kind
      Given a server that supports cancel
      And an uncancellable operation
      When the client cancels it
      Then what the answer tells is recorded
