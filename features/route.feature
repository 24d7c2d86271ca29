@rest
Feature: Which requests are a cancel
  Cancel is a POST with a verb of its own. What only looks like it has no effect.

  @req:cancel.route.post-verb-suffix
  Rule: Cancel is `POST {base}/{version}/{name}:cancel` for the published template.

    Scenario: It is a POST to the name and the verb
      Given a running operation
      When the client cancels it by sending its name and the verb
      Then the cancel counts like a plain one

    Scenario: A colon in the id does not hide the verb
      Given an operation whose id has a colon
      When the client cancels it by sending its name and the verb
      Then the cancel counts like a plain one

    Scenario Outline: Nor does <another mark>
      Given an operation whose id has <another mark>
      When the client cancels it by sending its name and the verb
      Then the cancel counts like a plain one

      Examples:
        | another mark  |
        | a hyphen      |
        | an underscore |
        | a dot         |
        | a tilde       |

  @req:cancel.route.wrong-method-no-effect
  Rule: GET, HEAD, PUT, PATCH, DELETE, OPTIONS on `{name}:cancel` neither cancel nor delete the operation.

    Scenario Outline: Another method cancels nothing
      Given a running operation
      When the client sends <method> in place of the POST of a cancel
      Then nothing happens to it

      Examples:
        | method  |
        | GET     |
        | HEAD    |
        | PUT     |
        | PATCH   |
        | DELETE  |
        | OPTIONS |

    Scenario Outline: Other methods do not cancel a <kind> operation either
      Given a <kind> operation
      When the client sends any other method in place of the POST of a cancel
      Then nothing happens to it

      Examples:
        | kind    |
        | pending |
        | nested  |

  @req:cancel.route.wrong-method-status
  Rule: Those requests are answered 404, 405, 400 or 501 – not 2xx, not 5xx other than 501.

    Scenario Outline: Another method is refused
      Given a running operation
      When the client sends <method> in place of the POST of a cancel
      Then the answer says that this is no cancel

      Examples:
        | method  |
        | GET     |
        | HEAD    |
        | PUT     |
        | PATCH   |
        | DELETE  |
        | OPTIONS |

  @req:cancel.route.near-miss-no-effect
  Rule: Near-miss paths (`:cancle`, POST without a verb, `?cancel`) do not cancel.

    Scenario Outline: What is nearly the verb cancels nothing
      Given a running operation
      When the client posts to its name <ending>
      Then nothing happens to it

      Examples:
        | ending                       |
        | with a misspelt verb         |
        | without a verb               |
        | with the verb as a parameter |
        | with a longer verb           |
        | with a shorter verb          |
        | with a verb that ends alike  |

    Scenario Outline: What is nearly the verb does not cancel a <kind> operation either
      Given a <kind> operation
      When the client posts to its name with anything that is nearly the verb
      Then nothing happens to it

      Examples:
        | kind    |
        | pending |
        | nested  |

  @req:cancel.route.lenient-spelling
  Rule: Whether `:CANCEL`, `:cancel/` or `/cancel` are taken for cancel as well is free.

    Scenario Outline: The verb is spelt in another way
      Given a running operation
      When the client posts to its name and the verb <spelling>
      Then whether that is a cancel is recorded

      Examples:
        | spelling       |
        | in capitals    |
        | before a slash |
        | behind a slash |

  @req:cancel.route.encoded-verb-colon
  Rule: `%3Acancel` in place of `:cancel` is undefined: it may or may not be the verb.

    Scenario: The colon is percent-encoded
      Given a running operation
      When the client posts to its name and the verb behind %3A
      Then whether that is a cancel is recorded
