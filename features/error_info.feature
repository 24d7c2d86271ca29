Feature: The details of errors

  @req:error.http.errorinfo
  Rule: Details contain a google.rpc.ErrorInfo.

    Scenario: An error of Cancel
      Given a name that no operation has
      When the client cancels that name
      Then every answer keeps the rule

    Scenario: An error of Get
      Given a name that no operation has
      When the client asks for that name
      Then every answer keeps the rule

    Scenario: An error of Wait
      Given a server that offers Wait
      And a name that no operation has
      When the client waits for that name
      Then every answer keeps the rule

    Scenario: An error of List
      Given a server that offers List
      When the client asks for a page that no list has
      Then every answer keeps the rule

    Scenario: An error of Delete
      Given a server that offers Delete
      When the client deletes what was deleted before
      Then every answer keeps the rule

  @req:error.http.errorinfo-format
  Rule: If present, ErrorInfo.reason matches `[A-Z][A-Z0-9_]+[A-Z0-9]`, ≤ 63 chars; metadata keys ≤ 64 chars.

    Scenario: An error of Cancel
      Given a name that no operation has
      When the client cancels that name
      Then every answer keeps the rule

    Scenario: An error of Get
      Given a name that no operation has
      When the client asks for that name
      Then every answer keeps the rule

    Scenario: An error of Wait
      Given a server that offers Wait
      And a name that no operation has
      When the client waits for that name
      Then every answer keeps the rule

    Scenario: An error of List
      Given a server that offers List
      When the client asks for a page that no list has
      Then every answer keeps the rule

    Scenario: An error of Delete
      Given a server that offers Delete
      When the client deletes what was deleted before
      Then every answer keeps the rule
