Feature: Wait and cancelled operations
  Wait is optional. It returns when the operation is done or when its timeout is over, and may return earlier.

  @req:wait.released-on-cancel
  Rule: A WaitOperation pending when the operation becomes cancelled returns soon, with the terminal operation.

    Scenario: A cancel ends a pending Wait
      Given a running operation
      When the client cancels it while a Wait for it is pending
      Then the Wait ends soon, with the cancelled operation

    Scenario Outline: A cancel ends a pending Wait for a <kind> operation
      Given a <kind> operation
      When the client cancels it while a Wait for it is pending
      Then the Wait ends soon, with the cancelled operation

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario: A Wait that begins while the operation stops ends with it
      Given a slow operation
      When the client cancels it, and waits for it before it has stopped
      Then the Wait ends soon, with the cancelled operation

  @req:wait.timeout-bound
  Rule: Wait never lasts longer than its timeout (plus slack).

    Scenario: A Wait ends with its timeout
      Given a running operation
      When the client waits for it, for a second
      Then the Wait ends in time

    Scenario Outline: A Wait for a <kind> operation ends with its timeout
      Given a <kind> operation
      When the client waits for it, for a second
      Then the Wait ends in time

      Examples:
        | kind    |
        | pending |
        | nested  |

    Scenario: A Wait ends with a timeout of less than a second
      Given a running operation
      When the client waits for it, for half a second
      Then the Wait ends in time

    Scenario: A Wait for an operation that is being cancelled ends with its timeout
      Given a slow operation
      When the client cancels it, and waits for it for half a second before it has stopped
      Then the Wait ends in time

  @req:wait.done-immediate
  Rule: Wait on a done (e.g. cancelled) operation returns at once with the terminal state.

    Scenario Outline: A Wait for what has ended returns at once
      Given an operation that has <ended>
      When the client waits for it
      Then the Wait ends at once, with the operation

      Examples:
        | ended          |
        | been cancelled |
        | succeeded      |
        | failed         |

    Scenario Outline: A Wait for a <kind> operation that was cancelled returns at once
      Given a <kind> operation that has been cancelled
      When the client waits for it
      Then the Wait ends at once, with the operation

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario: A later Wait for what has ended returns at once as well
      Given an operation that has been cancelled
      When the client waits for it again and again, at last without a timeout
      Then the Wait ends at once, with the operation

  @req:wait.expiry-no-effect
  Rule: Expiry of a Wait neither cancels nor fails the operation, and is not an error of the call.

    Scenario: The expiry of a Wait changes nothing
      Given a running operation
      When the client waits for it, for a second
      Then the expiry is no error
      And the expiry leaves the operation alone

    Scenario Outline: The expiry of a Wait for a <kind> operation changes nothing
      Given a <kind> operation
      When the client waits for it, for a second
      Then the expiry is no error
      And the expiry leaves the operation alone

      Examples:
        | kind    |
        | pending |
        | nested  |

    Scenario: The expiry of a second Wait changes nothing either
      Given a running operation
      When the client waits for it twice, for half a second each
      Then the expiry is no error
      And the expiry leaves the operation alone

  @req:wait.equals-get
  Rule: The terminal operation returned by Wait has the same result as Get.

    Scenario Outline: Wait shows the result that Get shows
      Given an operation that has <ended>
      When the client waits for it
      Then the Wait shows what Get shows

      Examples:
        | ended          |
        | been cancelled |
        | succeeded      |
        | failed         |

    Scenario Outline: Wait shows the result of a <kind> operation that Get shows
      Given a <kind> operation that has been cancelled
      When the client waits for it
      Then the Wait shows what Get shows

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario: A Wait that was pending shows the result that Get shows
      Given a running operation
      When the client cancels it while a Wait for it is pending
      Then the Wait shows what Get shows
