@grpc
Feature: The form of errors over gRPC

  @req:error.grpc.status-details
  Rule: If `grpc-status-details-bin` is sent, it decodes to a google.rpc.Status with the same code and message as the trailers.

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
