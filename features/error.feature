@rest
Feature: The form of errors over REST

  @req:error.http.json-envelope
  Rule: API-level errors are `{"error":{"code":int,"message":string,"status":string,"details":[…]}}`.

    Scenario: An error of Cancel
      Given a name that no operation has
      When the client cancels that name
      Then every answer keeps the rule

    Scenario: An error of a Cancel without a body
      Given a name that no operation has
      When the client cancels that name by sending no body and no content type
      Then every answer keeps the rule

    Scenario: The refusal of a cancel of what has ended
      Given an operation that has succeeded
      When the client cancels it
      Then its refusal keeps the rule

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

  @req:error.http.code-equals-status
  Rule: `error.code` equals the HTTP status code, not the gRPC number.

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

  @req:error.http.status-name
  Rule: `error.status` is a google.rpc.Code name whose HTTP mapping is the response status.

    Scenario: An error of Cancel
      Given a name that no operation has
      When the client cancels that name
      Then every answer keeps the rule

    Scenario: The refusal of a cancel of what has ended
      Given an operation that has succeeded
      When the client cancels it
      Then its refusal keeps the rule

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

  @req:error.http.message
  Rule: `error.message` is a non-empty string.

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

  @req:error.http.details-any
  Rule: Every element of `details`, if any, is an object with `@type`.

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

  @req:error.http.details-unique
  Rule: No detail payload type occurs twice.

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

  @req:error.http.content-type-json
  Rule: API-level error responses are `application/json`.

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

  @req:error.http.no-2xx-error
  Rule: An error is never sent with a 2xx status.

    Scenario: An error of Cancel
      Given a name that no operation has
      When the client cancels that name
      Then every answer keeps the rule

    Scenario: The refusal of a cancel of what has ended
      Given an operation that has succeeded
      When the client cancels it
      Then its refusal keeps the rule

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

    Scenario: The refusal to delete what is in progress
      Given a server that offers Delete
      And a running operation
      When the client deletes it
      Then its refusal keeps the rule
