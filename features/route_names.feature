@rest
Feature: Which operation a path names
  The name in the path is the whole name, and no other spelling leads out of its parent.

  @req:cancel.route.multi-segment-name
  Rule: Where the template ends in `**`, names with several segments after `operations/` are routed to cancel with the whole remainder as the name.

    Scenario: A name of several segments is cancelled
      Given a nested operation
      When the client cancels it by sending its whole name
      Then the cancel counts like a plain one

  @req:cancel.route.percent-decode-unreserved
  Rule: Percent-encoded unreserved characters in the name are decoded (`%61` ≡ `a`).

    Scenario Outline: Percent-encoding does not change the name
      Given a running operation
      When the client cancels it by sending <spelling>
      Then the cancel counts like a plain one

      Examples:
        | spelling                                         |
        | one letter or digit of its id percent-encoded    |
        | every letter and digit of its id percent-encoded |
        | a percent-encoding with small letters            |
        | a letter or digit of its parent percent-encoded  |

    Scenario: Percent-encoding does not change the name where there is no body
      Given a running operation
      When the client cancels it by sending every letter and digit of its id percent-encoded and no body
      Then the cancel counts like a plain one

    Scenario: Percent-encoding does not change a name of several segments
      Given a nested operation
      When the client cancels it by sending every letter and digit of its id percent-encoded
      Then the cancel counts like a plain one

    Scenario Outline: Percent-encoding of <what> does not change the name
      Given an operation whose id has <what>
      When the client cancels it by sending every mark of its id percent-encoded
      Then the cancel counts like a plain one

      Examples:
        | what          |
        | a hyphen      |
        | an underscore |
        | a tilde       |

  @req:cancel.route.percent-2f-not-separator
  Rule: `%2F` inside the name is not treated as a path separator.

    Scenario Outline: An encoded slash is no slash
      Given a nested operation
      When the client posts to its name with <spelling> for a slash of its id
      Then nothing happens to it

      Examples:
        | spelling             |
        | %2F                  |
        | %2f in small letters |

  @req:cancel.route.parent-scope
  Rule: The parent in the path is significant: cancelling `projects/OTHER/operations/ID` does not cancel `projects/P/operations/ID`.

    Scenario: Another parent's operation is another one
      Given a running operation
      When the client posts to its id under another parent
      Then nothing happens to it

    Scenario Outline: Another parent's operation is another one, if it is a <kind> one
      Given a <kind> operation
      When the client posts to its id under another parent
      Then nothing happens to it

      Examples:
        | kind    |
        | pending |
        | nested  |

    Scenario: A parent whose name is like the other's is another one
      Given a running operation
      When the client posts to its id under a parent with a name like that of its own
      Then nothing happens to it

  @req:cancel.route.dot-segments
  Rule: `..`/`.` segments in a name never reach an operation outside the addressed parent.

    Scenario Outline: Dots lead nowhere
      Given a running operation
      When the client posts to its name through <way>, as a stranger
      Then nothing happens to it

      Examples:
        | way                      |
        | another parent           |
        | another parent by %2E%2E |
        | a dot segment            |

  @req:cancel.route.zero-segment-name
  Rule: `POST …/operations:cancel` (empty id, zero segments under `**`) is rejected 400/404 and cancels nothing.

    Scenario Outline: An empty id names nothing
      Given a running operation
      And another running operation
      When the client posts to <nothing>
      Then the answer refuses the empty id
      And nothing happens to it

      Examples:
        | nothing                               |
        | the empty id beside it                |
        | the empty id behind a slash beside it |

  @req:cancel.route.version-neutral
  Rule: The same operation may be addressed under another API version of the same service.

    Scenario: Another version names it as well
      Given a running operation
      When the client posts to its name under another version
      Then whether that is a cancel is recorded
