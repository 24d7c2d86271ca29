@rest
Feature: What a successful cancel answers

  @req:cancel.response.status-200
  Rule: A successful cancel is HTTP 200 exactly (not 201/202/204).

    Scenario: The status is 200
      Given a running operation
      When the client cancels it
      Then the success has the status 200

    Scenario Outline: The status of a repeated cancel of a <kind> operation is 200
      Given a <kind> operation
      When the client cancels it again before it has stopped
      Then the success has the status 200

      Examples:
        | kind    |
        | running |
        | slow    |

    Scenario Outline: The status is 200, however the cancel is sent
      Given a running operation
      When the client cancels it by sending <form>
      Then the success has the status 200

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |
        | a content type with a charset        |
        | the header of a client library       |

    Scenario Outline: The status is 200, whatever is cancelled
      Given a <kind> operation
      When the client cancels it
      Then the success has the status 200

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario Outline: The status is 200 after the end
      Given an operation that has <ended>
      When the client cancels it
      Then the success has the status 200

      Examples:
        | ended          |
        | succeeded      |
        | failed         |
        | been cancelled |

    Scenario: The status is 200 for each of ten cancels of an operation that is slow to stop
      Given a slow operation
      When the client cancels it ten times
      Then the success has the status 200

    Scenario: No success of the run has another status
      Given a running operation
      When the client cancels it
      Then the same holds for every success of the whole run

  @req:cancel.response.empty-json-object
  Rule: The body is exactly one JSON object with zero members: not zero bytes, `null`, `[]`, `""`, `{"@type":…}`, an Operation, or any extra member.

    Scenario: The body is an empty object
      Given a running operation
      When the client cancels it
      Then the answer is an empty object

    Scenario Outline: The body of a repeated cancel of a <kind> operation is an empty object
      Given a <kind> operation
      When the client cancels it again before it has stopped
      Then the answer is an empty object

      Examples:
        | kind    |
        | running |
        | slow    |

    Scenario Outline: The body is an empty object, however the cancel is sent
      Given a running operation
      When the client cancels it by sending <form>
      Then the answer is an empty object

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |
        | a request for gzip                   |

    Scenario Outline: The body is an empty object, whatever is cancelled
      Given a <kind> operation
      When the client cancels it
      Then the answer is an empty object

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario Outline: The body is an empty object after the end
      Given an operation that has <ended>
      When the client cancels it
      Then the answer is an empty object

      Examples:
        | ended          |
        | succeeded      |
        | failed         |
        | been cancelled |

    Scenario: The body is an empty object for each of ten cancels of an operation that is slow to stop
      Given a slow operation
      When the client cancels it ten times
      Then the answer is an empty object

    Scenario: No success of the run has another body
      Given a running operation
      When the client cancels it
      Then the same holds for every success of the whole run

  @req:cancel.response.content-type-json
  Rule: The success response has media type `application/json`.

    Scenario: The answer says that it is JSON
      Given a running operation
      When the client cancels it
      Then the answer says that it is JSON

    Scenario Outline: The answer to a repeated cancel of a <kind> operation says that it is JSON
      Given a <kind> operation
      When the client cancels it again before it has stopped
      Then the answer says that it is JSON

      Examples:
        | kind    |
        | running |
        | slow    |

    Scenario Outline: The answer says that it is JSON, however the cancel is sent
      Given a running operation
      When the client cancels it by sending <form>
      Then the answer says that it is JSON

      Examples:
        | form                                 |
        | no body and no content type          |
        | no body and the content type of JSON |
        | its own name in the body             |
        | the system parameters                |

    Scenario Outline: The answer says that it is JSON, whatever is cancelled
      Given a <kind> operation
      When the client cancels it
      Then the answer says that it is JSON

      Examples:
        | kind    |
        | pending |
        | nested  |
        | slow    |

    Scenario Outline: The answer says that it is JSON after the end
      Given an operation that has <ended>
      When the client cancels it
      Then the answer says that it is JSON

      Examples:
        | ended          |
        | succeeded      |
        | failed         |
        | been cancelled |

    Scenario: The content type is that of JSON for each of ten cancels of an operation that is slow to stop
      Given a slow operation
      When the client cancels it ten times
      Then the answer says that it is JSON

    Scenario: No success of the run has another content type
      Given a running operation
      When the client cancels it
      Then the same holds for every success of the whole run
