Feature: Delete and cancelled operations
  Delete is optional. It forgets the operation, and does not cancel it.

  @req:delete.after-cancel
  Rule: A cancelled operation can be deleted where Delete is supported.

    Scenario: A cancelled operation can be deleted
      Given an operation that has been cancelled
      When the client deletes it
      Then the deletion is accepted
      And Get does not find it any more

    Scenario: An operation that was cancelled while it was queued can be deleted
      Given a pending operation that has been cancelled
      When the client deletes it
      Then the deletion is accepted
      And Get does not find it any more

    Scenario: A cancelled operation with a name of several segments can be deleted
      Given a nested operation that has been cancelled
      When the client deletes it
      Then the deletion is accepted
      And Get does not find it any more

  @req:cancel.deleted.not-found
  Rule: After a successful DeleteOperation, cancel and Get of that name are NOT_FOUND.

    Scenario Outline: What was deleted is not found
      Given an operation that has <ended>
      When the client deletes it
      Then Get does not find it any more
      And cancel does not find it either
      And it does not come back

      Examples:
        | ended          |
        | been cancelled |
        | succeeded      |
        | failed         |

    Scenario: What was deleted is not found, with a name of several segments either
      Given a nested operation that has been cancelled
      When the client deletes it
      Then Get does not find it any more
      And cancel does not find it either
      And it does not come back

    Scenario: What was deleted before it could succeed does not come back
      Given a server that offers Delete
      And an operation that is about to succeed
      When the client deletes it before its end, and follows its like to the end
      Then Get does not find it any more
      And it does not come back

    Scenario: What was deleted while it was being cancelled does not come back
      Given a server that offers Delete
      And a slow operation
      When the client cancels and deletes it before its end, and follows its like to the end
      Then Get does not find it any more
      And it does not come back

  @req:delete.is-not-cancel
  Rule: Delete does not cancel: the work goes on (not observable through the Operations API after deletion).

    Scenario: Delete of an operation in progress
      Given a server that offers Delete
      And an operation that is about to succeed
      When the client deletes it, and asks for it
      Then it is recorded what became of it
