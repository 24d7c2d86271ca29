Feature: A cancel that races the end
  Whichever comes first, the cancel or the end: what callers see is one of the two, and stays so.

  @req:cancel.race.one-terminal-result
  Rule: When cancel races completion, the observable history has exactly one terminal result: no flip, no both, no in-between with result but not done.

    Scenario: Operations that are cancelled near their end have one result
      Given an operation that is about to succeed
      When clients cancel operations around the time of their end
      Then each operation has one terminal result

    Scenario: Operations that are cancelled before they could fail have one result
      Given an operation that is about to fail
      When clients cancel operations around the time of their end
      Then each operation has one terminal result
