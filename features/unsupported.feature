Feature: A server without cancel
  Cancel is optional: a server without it says so, and touches nothing.

  @req:cancel.unimplemented.http-501
  Rule: A server that does not support cancel answers HTTP 501.

    Scenario: The answer is 501
      Given a server without cancel
      And a running operation
      When the client cancels it
      Then the answer is that the method is not implemented

    Scenario Outline: The answer is 501 for a <kind> operation
      Given a server without cancel
      And a <kind> operation
      When the client cancels it
      Then the answer is that the method is not implemented

      Examples:
        | kind    |
        | pending |
        | nested  |

    Scenario Outline: The answer is 501, however the cancel is sent
      Given a server without cancel
      And a running operation
      When the client cancels it by sending <form>
      Then the answer is that the method is not implemented

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |

  @req:cancel.unimplemented.grpc-12
  Rule: Over gRPC the status is UNIMPLEMENTED (12).

    Scenario: The answer is UNIMPLEMENTED
      Given a server without cancel
      And a running operation
      When the client cancels it
      Then the answer is that the method is not implemented

    Scenario Outline: The answer is UNIMPLEMENTED for a <kind> operation
      Given a server without cancel
      And a <kind> operation
      When the client cancels it
      Then the answer is that the method is not implemented

      Examples:
        | kind    |
        | pending |
        | nested  |

  @req:cancel.unimplemented.json-error
  Rule: The 501 carries the AIP-193 JSON error with `error.code` 501 and `error.status` "UNIMPLEMENTED".

    Scenario: The 501 carries the error in JSON
      Given a server without cancel
      And a running operation
      When the client cancels it
      Then the answer carries the error in its JSON form

    Scenario Outline: The 501 carries the error in JSON for a <kind> operation
      Given a <kind> operation, where there are such
      When the client cancels it
      Then the answer carries the error in its JSON form

      Examples:
        | kind          |
        | nested        |
        | uncancellable |

    Scenario Outline: The 501 carries the error in JSON, however the cancel is sent
      Given a server without cancel
      And a running operation
      When the client cancels it by sending <form>
      Then the answer carries the error in its JSON form

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |

  @req:cancel.unimplemented.no-effect
  Rule: UNIMPLEMENTED means untouched: the operation continues and ends as if nothing had been sent.

    Scenario: Nothing happens
      Given a server without cancel
      And a running operation
      When the client cancels it
      Then it goes on as if nothing had been sent

    Scenario Outline: Nothing happens to a <kind> one
      Given a server without cancel
      And a <kind> operation
      When the client cancels it
      Then it goes on as if nothing had been sent

      Examples:
        | kind    |
        | pending |
        | nested  |

    @rest
    Scenario Outline: Nothing happens, however the cancel is sent
      Given a server without cancel
      And a running operation
      When the client cancels it by sending <form>
      Then it goes on as if nothing had been sent

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |

    Scenario: Nothing happens to one that somebody waits for
      Given a server without cancel
      And a running operation
      When the client cancels it while somebody waits for it
      Then it goes on as if nothing had been sent

    Scenario Outline: Nothing happens to what has <ended>
      Given a server without cancel
      And an operation that has <ended>
      When the client cancels it
      Then it stays as it ended, as if nothing had been sent

      Examples:
        | ended     |
        | succeeded |
        | failed    |

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

    Scenario: The answer does not change for an operation that cannot be cancelled
      Given an uncancellable operation, where there are such
      When the client cancels it five times
      Then the answers are all of UNIMPLEMENTED or none
