Feature: The state of a cancelled operation
  A cancelled operation is not deleted: it becomes one that is done, with error code 1.

  @req:cancel.state.done
  Rule: A cancelled operation has `done == true`.

    Scenario: It is done
      Given a running operation
      When the client cancels it and follows it to its end
      Then it is done

    Scenario Outline: A <kind> operation is done
      Given a <kind> operation
      When the client cancels it and follows it to its end
      Then it is done

      Examples:
        | kind   |
        | slow   |
        | nested |

  @req:cancel.state.code-1
  Rule: Its `error.code` is 1 (google.rpc.Code.CANCELLED).

    Scenario: Its error is CANCELLED
      Given a running operation
      When the client cancels it and follows it to its end
      Then its error code is 1

    Scenario Outline: The error of a <kind> operation is CANCELLED
      Given a <kind> operation
      When the client cancels it and follows it to its end
      Then its error code is 1

      Examples:
        | kind   |
        | slow   |
        | nested |

    Scenario: The error of an operation with a chosen id is CANCELLED
      Given an operation whose id the client has chosen, of 12 characters
      When the client cancels it and follows it to its end
      Then its error code is 1

    Scenario: The error of an operation that somebody waits for is CANCELLED
      Given a running operation
      When the client cancels it while somebody waits for it
      Then its error code is 1

  @req:cancel.state.no-response
  Rule: It has no `response`.

    Scenario: It has no response
      Given a running operation
      When the client cancels it and follows it to its end
      Then it has no response

    Scenario Outline: A <kind> operation has no response
      Given a <kind> operation
      When the client cancels it and follows it to its end
      Then it has no response

      Examples:
        | kind    |
        | pending |
        | slow    |
        | nested  |

  @req:cancel.state.error-message
  Rule: `error.message` is a non-empty English developer message.

    Scenario: Its error has a message
      Given a running operation
      When the client cancels it and follows it to its end
      Then its error has a message

    Scenario Outline: The error of a <kind> operation has a message
      Given a <kind> operation
      When the client cancels it and follows it to its end
      Then its error has a message

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

  @req:cancel.state.not-deleted
  Rule: It is not deleted: Get with the same name keeps returning it.

    Scenario: It is not deleted
      Given a running operation
      When the client cancels it and follows it to its end
      Then it is not deleted

    Scenario Outline: A <kind> operation is not deleted
      Given a <kind> operation
      When the client cancels it and follows it to its end
      Then it is not deleted

      Examples:
        | kind    |
        | pending |
        | slow    |
        | nested  |

    Scenario: An operation is not deleted when a Wait has returned it that was pending
      Given a running operation
      When the client cancels it while a Wait for it is pending, and looks at it then
      Then it is not deleted

    Scenario: An operation is not deleted when a later Wait has returned it
      Given a running operation
      When the client cancels it, follows it to its end and waits for it
      Then it is not deleted

  @req:cancel.state.get-ok
  Rule: Get of a cancelled operation succeeds (HTTP 200 / gRPC OK) and returns an Operation; the operation's error is not turned into an error of the Get call (499, CANCELLED).

    Scenario: Its error is not the error of Get
      Given a running operation
      When the client cancels it and follows it to its end
      Then Get succeeds and returns it

    Scenario Outline: The error of a <kind> operation is not the error of Get
      Given a <kind> operation
      When the client cancels it and follows it to its end
      Then Get succeeds and returns it

      Examples:
        | kind    |
        | pending |
        | slow    |
        | nested  |

  @req:cancel.state.name-unchanged
  Rule: `name` is byte-identical before and after cancel and equals the requested name.

    Scenario: It keeps its name
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: An operation that nobody cancels keeps its name
      Given an operation that is about to succeed
      When the client follows it to its end
      Then every answer keeps the rule

  @req:cancel.state.metadata-kept
  Rule: If the operation had metadata before, it still has metadata of the same type after.

    Scenario: It keeps its metadata
      Given a running operation
      When the client cancels it and follows it to its end
      Then its metadata is of the type that it was

    Scenario Outline: A <kind> operation keeps its metadata
      Given a <kind> operation
      When the client cancels it and follows it to its end
      Then its metadata is of the type that it was

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

  @req:cancel.state.metadata-state
  Rule: Where metadata has a state enum, it agrees with the result: CANCELLED ⇔ error.code 1; an active state (PENDING/RUNNING/CANCELLING) only while done is false.

    Scenario: Its metadata agrees with its result
      Given a running operation
      When the client cancels it and follows it to its end
      Then every answer keeps the rule

    Scenario: The metadata of an operation that succeeds agrees with its result
      Given an operation that is about to succeed
      When the client follows it to its end
      Then every answer keeps the rule

  @req:cancel.state.retention
  Rule: The cancelled operation stays readable at least for the test's observation window.

    Scenario: It stays readable
      Given a running operation
      When the client cancels it and follows it to its end
      Then it can be read for as long as it is watched

    Scenario Outline: A <kind> operation stays readable
      Given a <kind> operation
      When the client cancels it and follows it to its end
      Then it can be read for as long as it is watched

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario Outline: An operation that was cancelled before it could <end> stays readable
      Given an operation that is about to <end>
      When the client cancels another and it, and watches it past the end of its like
      Then it can be read for as long as the other

      Examples:
        | end     |
        | succeed |
        | fail    |
