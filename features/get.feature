Feature: Get after a cancel

  @req:get.after-cancel.continuous
  Rule: Between cancel OK and the terminal state, Get always finds the operation.

    Scenario: It is found all the way to its end
      Given a running operation
      When the client cancels it and watches it over several connections
      Then it was found at every look

    Scenario Outline: A <kind> operation is found all the way to its end
      Given a <kind> operation
      When the client cancels it and watches it over several connections
      Then it was found at every look

      Examples:
        | kind    |
        | pending |
        | nested  |

    Scenario: It is found all the way to its end where it is slow to stop
      Given a slow operation
      When the client cancels it and watches it over several connections
      Then it was found at every look

  @req:get.read-your-cancel
  Rule: A terminal state once seen by one Get is seen by later Gets (also on other connections/replicas).

    Scenario: Its end is seen over every connection
      Given a running operation
      When the client cancels it and watches it over several connections
      Then every later look shows its end
