Feature: An accepted cancel

  @req:cancel.accept.in-progress
  Rule: On a server that supports cancel, cancelling an existing in-progress operation returns OK.

    Scenario: A running operation can be cancelled
      Given a running operation
      When the client cancels it
      Then the cancel is accepted
