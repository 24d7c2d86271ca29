Feature: Who may cancel
  Judged only where the target sets credentials (auth) and principals.stranger, a caller who is known but may not cancel.

  @req:auth.missing-credentials
  Rule: Without credentials: UNAUTHENTICATED (401 / 16); nothing cancelled.

    Scenario: Without credentials nothing is cancelled
      Given a running operation
      When a caller without credentials cancels it
      Then the caller is told to say who it is
      And the cancel that was denied has no effect

    @rest
    Scenario Outline: Without credentials nothing is cancelled, however the cancel is sent
      Given a running operation
      When a caller without credentials cancels it by sending <form>
      Then the caller is told to say who it is
      And the cancel that was denied has no effect

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |

    Scenario Outline: Without credentials an operation in another state is not cancelled either
      Given a <state> operation
      When a caller without credentials cancels it
      Then the caller is told to say who it is
      And the cancel that was denied has no effect

      Examples:
        | state   |
        | pending |
        | nested  |

    Scenario Outline: Without credentials what has <ended> cannot be cancelled either
      Given an operation that has <ended>
      When a caller without credentials cancels it
      Then the caller is told to say who it is

      Examples:
        | ended          |
        | succeeded      |
        | failed         |
        | been cancelled |

    Scenario: Without credentials what its owner waits for is not cancelled either
      Given a running operation
      When a caller without credentials cancels it while its owner waits for it
      Then the caller is told to say who it is
      And the cancel that was denied has no effect

    Scenario: Without credentials it cannot be cancelled once more
      Given a slow operation
      When its owner cancels it and, before it has stopped, a caller without credentials does
      Then the caller is told to say who it is

  @req:auth.insufficient
  Rule: An identified caller without permission: PERMISSION_DENIED (403 / 7).

    Scenario: Without permission it cannot be cancelled
      Given a running operation
      When a stranger cancels it
      Then the caller is told that it has no permission

    @rest
    Scenario Outline: Without permission it cannot be cancelled, however the cancel is sent
      Given a running operation
      When a stranger cancels it by sending <form>
      Then the caller is told that it has no permission

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |

    Scenario Outline: Without permission an operation in another state cannot be cancelled either
      Given a <state> operation
      When a stranger cancels it
      Then the caller is told that it has no permission

      Examples:
        | state   |
        | pending |
        | nested  |

    Scenario: Without permission what its owner waits for cannot be cancelled either
      Given a running operation
      When a stranger cancels it while its owner waits for it
      Then the caller is told that it has no permission

    Scenario: Without permission it cannot be cancelled once more
      Given a slow operation
      When its owner cancels it and, before it has stopped, a stranger does
      Then the caller is told that it has no permission

  @req:auth.no-existence-leak
  Rule: For an unauthorised caller the answer for an existing and a non-existing operation is the same (code and message form).

    Scenario: A stranger is not told what exists
      Given a running operation
      And a name that no operation has
      When a stranger cancels it, and that name
      Then both answers are the same

    Scenario: A caller without credentials is not told what exists
      Given a running operation
      And a name that no operation has
      When a caller without credentials cancels it, and that name
      Then both answers are the same

    Scenario Outline: A <who> is not told which operations exist with names of several segments
      Given a nested operation
      And a name of several segments that no operation has
      When a <who> cancels it, and that name
      Then both answers are the same

      Examples:
        | who                        |
        | stranger                   |
        | caller without credentials |

    Scenario Outline: A <who> is not told what has <ended>
      Given an operation that has <ended>
      And a name that no operation has
      When a <who> cancels it, and that name
      Then both answers are the same

      Examples:
        | who                        | ended          |
        | stranger                   | succeeded      |
        | stranger                   | been cancelled |
        | caller without credentials | succeeded      |
        | caller without credentials | been cancelled |

    Scenario: A stranger is not told by Get what exists
      Given a running operation
      And a name that no operation has
      When a stranger asks for it, and for that name
      Then both answers are the same

    Scenario: A stranger is not told what is queued
      Given a pending operation
      And a name that no operation has
      When a stranger cancels it, and that name
      Then both answers are the same

  @req:auth.before-validation
  Rule: Authorisation is checked before request validation and state.

    Scenario Outline: Permission comes before the operation's state
      Given an operation that has <ended>
      When a stranger cancels it
      Then the caller is denied all the same

      Examples:
        | ended          |
        | been cancelled |
        | succeeded      |
        | failed         |

    Scenario Outline: Credentials come before the operation's state
      Given an operation that has <ended>
      When a caller without credentials cancels it
      Then the caller is denied all the same

      Examples:
        | ended          |
        | been cancelled |
        | succeeded      |
        | failed         |

    @rest
    Scenario: Permission comes before the request's form
      Given a running operation
      When a stranger cancels it with a member that no request has
      Then the caller is denied all the same

    @rest
    Scenario: Credentials come before the request's form
      Given a running operation
      When a caller without credentials cancels it with a member that no request has
      Then the caller is denied all the same

  @req:auth.no-effect
  Rule: A denied cancel has no effect.

    Scenario: A cancel that is denied has no effect
      Given a running operation
      When a stranger cancels it
      Then the cancel that was denied has no effect

    @rest
    Scenario Outline: A cancel that is denied has no effect, however it is sent
      Given a running operation
      When a stranger cancels it by sending <form>
      Then the cancel that was denied has no effect

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |

    Scenario Outline: A denied cancel of an operation in another state has no effect either
      Given a <state> operation
      When a stranger cancels it
      Then the cancel that was denied has no effect

      Examples:
        | state   |
        | pending |
        | nested  |
