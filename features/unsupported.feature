Feature: A server without cancel
  Cancel is optional: a server without it says so, and touches nothing.

  @req:cancel.unimplemented.http-501
  Rule: A server that does not support cancel answers HTTP 501.

    Scenario: The answer is 501
      Given a server without cancel
      And a running operation
      When the client cancels it
      Then the answer is that the method is not implemented

  @req:cancel.unimplemented.grpc-12
  Rule: Over gRPC the status is UNIMPLEMENTED (12).

    Scenario: The answer is UNIMPLEMENTED
      Given a server without cancel
      And a running operation
      When the client cancels it
      Then the answer is that the method is not implemented

  @req:cancel.unimplemented.json-error
  Rule: The 501 carries the AIP-193 JSON error with `error.code` 501 and `error.status` "UNIMPLEMENTED".

    Scenario: The 501 carries the error in JSON
      Given a server without cancel
      And a running operation
      When the client cancels it
      Then the answer carries the error in its JSON form

  @req:cancel.unimplemented.no-effect
  Rule: UNIMPLEMENTED means untouched: the operation continues and ends as if nothing had been sent.

    Scenario: Nothing happens
      Given a server without cancel
      And a running operation
      When the client cancels it
      Then it goes on as if nothing had been sent

    Scenario: Nothing happens to one that is queued
      Given a server without cancel
      And a pending operation
      When the client cancels it
      Then it goes on as if nothing had been sent

    Scenario: It ends as it would have
      Given a server without cancel
      And an operation that is about to succeed
      When the client cancels it
      Then it succeeds as if nothing had been sent

  @req:cancel.unimplemented.consistent
  Rule: The answer is consistent for the same operation: not sometimes OK, sometimes UNIMPLEMENTED.

    Scenario: The answer does not change
      Given a running operation
      When the client cancels it five times
      Then the answers are all of UNIMPLEMENTED or none
