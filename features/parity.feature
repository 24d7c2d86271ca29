Feature: Two transports, one service
  What one transport does, the other shows, and the same call has the same code on both.

  @req:transport.parity
  Rule: If both transports are offered, they act on the same operations with matching codes.

    Scenario: A running operation is found over both
      Given a server that cancels over both transports
      And a running operation
      When the client asks for it over both transports
      Then both answers have the same code

    Scenario Outline: A <kind> operation is found over both
      Given a server that cancels over both transports
      And a <kind> operation
      When the client asks for it over both transports
      Then both answers have the same code

      Examples:
        | kind    |
        | pending |
        | nested  |

    Scenario: A cancel over one transport shows on the other
      Given a server that cancels over both transports
      And a running operation
      When the client cancels it and follows it to its end
      Then the other transport shows the same end

    Scenario Outline: The cancel of a <kind> operation shows on the other transport
      Given a server that cancels over both transports
      And a <kind> operation
      When the client cancels it and follows it to its end
      Then the other transport shows the same end

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario: A cancel over one transport shows in the list of the other
      Given a server that cancels over both transports
      And a running operation that is listed over both transports
      When the client cancels it and follows it to its end
      Then it is listed as finished over both transports

    Scenario Outline: An operation that has <ended> shows the same end over both
      Given a server that is judged over both transports
      And an operation that has <ended>
      When the client asks for it over both transports
      Then the other transport shows the same end

      Examples:
        | ended     |
        | succeeded |
        | failed    |

    Scenario Outline: A second cancel of a <kind> operation over the other transport is no fault
      Given a server that cancels over both transports
      And a <kind> operation
      When the client cancels it over one transport, and then over the other
      Then the second cancel is answered like a repeated one

      Examples:
        | kind    |
        | running |
        | slow    |

    Scenario: A finished operation is answered alike
      Given a server that cancels over both transports
      And an operation that has succeeded
      When the client cancels it over both transports
      Then both answers have the same code

    Scenario Outline: An operation that has <ended> is answered alike
      Given a server that cancels over both transports
      And an operation that has <ended>
      When the client cancels it over both transports
      Then both answers have the same code

      Examples:
        | ended          |
        | failed         |
        | been cancelled |

    Scenario: An unknown name is cancelled alike
      Given a server that cancels over both transports
      And a name that no operation has
      When the client cancels that name over both transports
      Then both answers have the same code

    Scenario: An unknown name is found alike
      Given a server that cancels over both transports
      And a name that no operation has
      When the client asks for that name over both transports
      Then both answers have the same code
