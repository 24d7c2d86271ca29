Feature: List and cancelled operations
  List is optional, and may be stale: its entries are judged one by one, and read again until settle.

  @req:cancel.state.listed
  Rule: If List is implemented, the cancelled operation is still listed.

    Scenario: It is still listed
      Given a running operation that is listed
      When the client cancels it and follows it to its end
      Then it is still listed

    Scenario Outline: A <kind> operation is still listed
      Given a <kind> operation that is listed
      When the client cancels it and follows it to its end
      Then it is still listed

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario Outline: An operation that was cancelled before it could <end> is still listed
      Given a server that offers List
      And an operation that is about to <end>
      When the client cancels another and it, and watches it past the end of its like
      Then it is listed as the other is

      Examples:
        | end     |
        | succeed |
        | fail    |

  @req:list.consistent-with-get
  Rule: List shows the same done/result as Get for a terminal operation.

    Scenario Outline: List shows it as Get does
      Given an operation that has <ended>
      When the client lists the operations
      Then the list shows it as Get does

      Examples:
        | ended          |
        | been cancelled |
        | succeeded      |
        | failed         |

    Scenario Outline: List shows a <kind> operation that was cancelled as Get does
      Given a <kind> operation that has been cancelled
      When the client lists the operations
      Then the list shows it as Get does

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario: List does not show what is being cancelled as done
      Given a slow operation that is listed
      When the client cancels it and lists all until it has stopped
      Then the list does not show its end before Get does

  @req:list.filter-consistent
  Rule: If a filter is accepted, every listed operation matches it (e.g. `done=true` lists the cancelled operation and no running one).

    Scenario: A filter for done operations shows no other
      Given an operation that has been cancelled
      And another running operation
      When the client lists the operations that are done
      Then every operation that is listed is done

    Scenario: A filter for operations in progress shows no other
      Given an operation that has been cancelled
      And another running operation
      When the client lists the operations that are not done
      Then no operation that is listed is done

    Scenario: A filter for done operations does not show what is being cancelled
      Given a slow operation that is listed
      When the client cancels it and lists what is done until it has stopped
      Then the list does not show its end before Get does

  @req:list.optional
  Rule: List may be UNIMPLEMENTED; filters are optional.

    Scenario: List and filters need not be offered
      Given a running operation
      When the client finds out whether operations can be listed
      Then it is recorded what of List is offered
