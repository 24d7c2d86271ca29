Feature: Cancelling what does not exist

  @req:cancel.unknown.not-found
  Rule: Cancelling a well-formed but non-existent operation is NOT_FOUND (404 / 5) for an authorised caller.

    Scenario: An unknown name is not found
      Given a name that no operation has
      When the client cancels that name
      Then the answer is that there is no such operation

    Scenario: An unknown name of several segments is not found either
      Given a name of several segments that no operation has
      When the client cancels that name
      Then the answer is that there is no such operation

    Scenario Outline: A name that <relation> that of an operation is not found either
      Given a name that <relation> that of a running operation
      When the client cancels that name
      Then the answer is that there is no such operation

      Examples:
        | relation                  |
        | differs only in case from |
        | begins with               |
        | lies below                |

    Scenario: A name that has another parent than that of an operation is not found either
      Given a name that has another parent than that of a running operation
      When the client cancels that name
      Then the answer is that there is no such operation

    @rest
    Scenario: A name that percent-encodes that of an operation is not found either
      Given a name that percent-encodes that of a running operation
      When the client cancels that name
      Then the answer is that there is no such operation

    @rest
    Scenario Outline: An unknown name is not found, however the cancel is sent
      Given a name that no operation has
      When the client cancels that name by sending <form>
      Then the answer is that there is no such operation

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |

    Scenario: An unknown name that was asked for before is not found either
      Given a name that no operation has
      When the client cancels that name twice
      Then the answer is that there is no such operation

  @req:cancel.unknown.no-create
  Rule: Cancelling an unknown name does not create an operation.

    Scenario: An unknown name stays unknown
      Given a name that no operation has
      When the client cancels that name
      Then there is still no operation of that name
      And the list shows no operation of that name

    Scenario: An unknown name of several segments stays unknown
      Given a name of several segments that no operation has
      When the client cancels that name
      Then there is still no operation of that name
      And the list shows no operation of that name

    Scenario: An unknown name that was asked for twice stays unknown
      Given a name that no operation has
      When the client cancels that name twice
      Then there is still no operation of that name
      And the list shows no operation of that name
