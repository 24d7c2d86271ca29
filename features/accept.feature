Feature: An accepted cancel
  Cancelling is asynchronous and best effort: an accepted cancel starts it, and Get shows what became of it.

  @req:cancel.accept.in-progress
  Rule: On a server that supports cancel, cancelling an existing in-progress operation returns OK.

    Scenario: A running operation can be cancelled
      Given a server that supports cancel
      And a running operation
      When the client cancels it
      Then the cancel is accepted

    Scenario: An operation that has run for a while can be cancelled
      Given a server that supports cancel
      And a running operation that has gone on for a while
      When the client cancels it
      Then the cancel is accepted

    Scenario: An operation that has run for as long as the others took can be cancelled
      Given a server that supports cancel
      And a running operation that was started before all others
      When the client cancels it
      Then the cancel is accepted

    Scenario: An operation that nobody has looked at can be cancelled
      Given a server that supports cancel
      And a running operation that has just been started
      When the client cancels it
      Then the cancel is accepted

    Scenario: An operation that somebody waits for can be cancelled
      Given a server that supports cancel
      And a running operation
      When the client cancels it while somebody waits for it
      Then the cancel is accepted

    Scenario: One operation can be cancelled after another on one connection
      Given a server that supports cancel
      And a running operation
      When the client cancels it on a connection on which it has cancelled another
      Then the cancel is accepted as on a connection of its own

    @grpc
    Scenario: An operation with a name of several segments can be cancelled
      Given a server that supports cancel
      And a nested operation
      When the client cancels it
      Then the cancel is accepted

  @req:cancel.effect.best-effort
  Rule: The server really tries: an operation declared cancellable reaches a terminal state well before its natural end.

    Scenario: An accepted cancel takes effect
      Given a running operation
      When the client cancels it
      Then it becomes cancelled in time

    Scenario: The cancel of an operation that has run for a while takes effect
      Given a running operation that has gone on for a while
      When the client cancels it
      Then it becomes cancelled in time

    Scenario: The cancel of an operation that has run for as long as the others took takes effect
      Given a running operation that was started before all others
      When the client cancels it
      Then it becomes cancelled in time

    Scenario: The cancel of an operation that somebody waits for takes effect
      Given a running operation
      When the client cancels it while somebody waits for it
      Then it becomes cancelled in time

    Scenario: The cancel of an operation that nobody has looked at takes effect
      Given a running operation that has just been started
      When the client cancels it
      Then it becomes cancelled in time

    Scenario: The cancel of an operation that is slow to stop takes effect
      Given a slow operation
      When the client cancels it
      Then it becomes cancelled in time

    Scenario Outline: The cancel of an operation with a chosen id of <length> characters takes effect
      Given an operation whose id the client has chosen, of <length> characters
      When the client cancels it
      Then it becomes cancelled in time

      Examples:
        | length |
        | 12     |
        | 36     |
        | 63     |

    @grpc
    Scenario: The cancel of an operation with a name of several segments takes effect
      Given a nested operation
      When the client cancels it
      Then it becomes cancelled in time

  @req:cancel.effect.requested-flag
  Rule: If the metadata has a “cancellation requested” field, it is set once the cancel was accepted and is never unset.

    Scenario: The request shows once it was accepted
      Given a running operation
      When the client cancels it and follows it to its end
      Then its metadata shows the request

    Scenario: The request shows for an operation with a name of several segments
      Given a nested operation
      When the client cancels it and follows it to its end
      Then its metadata shows the request

    Scenario: The request still shows after another
      Given a slow operation
      When the client cancels it twice
      Then its metadata shows the request

    Scenario: The request that the metadata showed still shows after another
      Given a running operation
      When the client cancels it once more as soon as its metadata shows the request
      Then its metadata shows the request
