Feature: What headers a cancel may carry

  @req:cancel.request.routing-headers
  Rule: Standard client headers (`x-goog-request-params`, `x-goog-api-client`, `x-goog-user-project`, `user-agent`) are tolerated.

    Scenario Outline: Client libraries send headers of their own
      Given a running operation
      When the client cancels it by sending <header>
      Then the cancel counts like a plain one

      Examples:
        | header                            |
        | the routing header                |
        | the header of a client library    |
        | the header of a project that pays |
