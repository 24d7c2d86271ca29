Feature: Cancel touches one operation only
  What is not cancelled goes on, whoever looks at it and however often.

  @req:cancel.isolation.siblings
  Rule: Cancelling one operation changes no other operation.

    Scenario: Operations that were started later go on
      Given a running operation
      And two other running operations
      When the client cancels it and follows it to its end
      Then the others go on

    Scenario: Operations that were started earlier go on
      Given two other running operations
      And a running operation
      When the client cancels it and follows it to its end
      Then the others go on

    Scenario: Operations that are started after a cancel go on
      Given a running operation
      When the client cancels it and starts another, again and again
      Then the others go on

    Scenario Outline: The cancel of a <kind> operation leaves others alone
      Given a <kind> operation
      And two other running operations
      When the client cancels it and follows it to its end
      Then the others go on

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario Outline: Repeated cancels of a <kind> operation leave others alone
      Given two other running operations
      And a <kind> operation
      When the client cancels it three times
      Then the others go on

      Examples:
        | kind    |
        | running |
        | slow    |

    Scenario Outline: The cancel of an operation leaves a <kind> one alone
      Given another <kind> operation
      And a running operation
      When the client cancels it and follows it to its end
      Then the other goes on

      Examples:
        | kind    |
        | pending |
        | nested  |

    Scenario: The cancel of a slow operation leaves another slow one alone
      Given another slow operation
      And a slow operation
      When the client cancels it
      Then the other goes on

    Scenario: An operation that is about to succeed does so all the same
      Given another operation that is about to succeed
      And a running operation
      When the client cancels it and follows it to its end
      Then the other succeeds

    Scenario: An operation that has succeeded stays so
      Given another operation that has succeeded
      And a running operation
      And another running operation
      When the client cancels it and follows it to its end
      Then the other succeeds

    @grpc
    Scenario: An operation that a routing header names goes on
      Given another running operation
      And a running operation
      When the client cancels it by sending the routing header of the other
      Then the other is not cancelled

  @req:cancel.isolation.prefix-names
  Rule: Operations whose names are prefixes/extensions/case-variants of the cancelled name are not affected.

    Scenario Outline: An operation with an id <like> the cancelled one goes on
      Given two operations, the id of one <like> the other's
      When the client cancels it and follows it to its end
      Then the other goes on

      Examples:
        | like                             |
        | beginning                        |
        | continuing                       |
        | ending                           |
        | differing only in case from      |
        | being in lower case              |
        | differing only at the end from   |
        | being above                      |
        | being below                      |
        | being a pattern that matches     |
        | being an expression that matches |
        | having for its end               |
        | ending in a segment like         |

    Scenario Outline: An operation that was started sooner, with an id <like> the cancelled one, goes on
      Given two operations, the id of one <like> that of the other, which is started sooner
      When the client cancels it and follows it to its end
      Then the other goes on

      Examples:
        | like                             |
        | beginning                        |
        | continuing                       |
        | ending                           |
        | differing only in case from      |
        | being in lower case              |
        | differing only at the end from   |
        | being above                      |
        | being below                      |
        | being a pattern that matches     |
        | being an expression that matches |
        | having for its end               |
        | ending in a segment like         |

  @req:cancel.isolation.get-no-effect
  Rule: Polling (Get/List/Wait), however often, never cancels.

    Scenario Outline: An operation that the client <polls> very often goes on
      Given a running operation
      When the client <polls> it very often
      Then it goes on

      Examples:
        | polls     |
        | gets      |
        | lists     |
        | waits for |

  @req:cancel.isolation.rpc-abort
  Rule: Aborting a client call (HTTP disconnect, gRPC RST/deadline) to Get, List or Wait does not cancel the long-running operation.

    Scenario Outline: An aborted call to <look at> it does not cancel it
      Given a running operation
      When the client aborts its calls to <look at> it
      Then it goes on

      Examples:
        | look at  |
        | get      |
        | list     |
        | wait for |
