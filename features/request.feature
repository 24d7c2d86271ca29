@rest
Feature: What a cancel request may carry
  Clients send nothing, an empty object, or the name once more. All of them mean the same cancel.

  @req:cancel.request.zero-bytes-no-content-type
  Rule: A cancel POST with a zero-byte body and no Content-Type is accepted.

    Scenario: Nothing is sent, and no type of it
      Given a running operation
      When the client cancels it by sending no body and no content type
      Then the cancel counts like a plain one

    Scenario Outline: Nothing is sent, and no type of it, whatever is cancelled
      Given a <kind> operation
      When the client cancels it by sending no body and no content type
      Then the cancel counts like a plain one

      Examples:
        | kind    |
        | pending |
        | nested  |

  @req:cancel.request.zero-bytes-json-content-type
  Rule: A zero-byte body with `Content-Type: application/json` is accepted (not parsed as malformed JSON).

    Scenario: Nothing is sent, and called JSON
      Given a running operation
      When the client cancels it by sending no body and the content type of JSON
      Then the cancel counts like a plain one

    Scenario Outline: Nothing is sent, and called JSON, whatever is cancelled
      Given a <kind> operation
      When the client cancels it by sending no body and the content type of JSON
      Then the cancel counts like a plain one

      Examples:
        | kind    |
        | pending |
        | nested  |

  @req:cancel.request.empty-object
  Rule: Body `{}` with `Content-Type: application/json` is accepted.

    Scenario Outline: An empty object is sent
      Given a running operation
      When the client cancels it by sending <body>
      Then the cancel counts like a plain one

      Examples:
        | body                                    |
        | an empty object                         |
        | an empty object with white space within |
        | an empty object with white space around |

    Scenario: What follows on the same connection is understood
      Given a running operation
      When the client cancels it by an empty object, and asks for it on the same connection
      Then nothing of the cancel is left in the connection

  @req:cancel.request.json-charset-param
  Rule: Content-Type parameters (`; charset=utf-8`) and header case do not change acceptance.

    Scenario Outline: The content type is spelt in another way
      Given a running operation
      When the client cancels it by sending <type>
      Then the cancel counts like a plain one

      Examples:
        | type                                      |
        | a content type with a charset             |
        | a content type with a charset in capitals |
        | a content type in capitals                |
        | a content type with other capitals        |

    Scenario: The content type is spelt in another way for a name of several segments
      Given a nested operation
      When the client cancels it by sending a content type with a charset
      Then the cancel counts like a plain one

  @req:cancel.request.body-name-same
  Rule: Body `{"name":"<same name as path>"}` is accepted (Google's own Go REST client for google.longrunning sends exactly this).

    Scenario: The body repeats the name
      Given a running operation
      When the client cancels it by sending its own name in the body
      Then the cancel counts like a plain one

    Scenario: The body repeats a name of several segments
      Given a nested operation
      When the client cancels it by sending its own name in the body
      Then the cancel counts like a plain one

  @req:cancel.request.path-name-authoritative
  Rule: Only the operation named in the URL path is ever cancelled; a different `name` in the body never redirects the call.

    Scenario: The body names another operation
      Given a running operation
      And another running operation
      When the client cancels it by sending the name of the other in the body
      Then only the operation in the path may be cancelled

    Scenario: The body names another operation than a path of several segments
      Given a nested operation
      And another running operation
      When the client cancels it by sending the name of the other in the body
      Then only the operation in the path may be cancelled

    Scenario: The body names an operation where the path names one that has ended
      Given an operation that has succeeded
      And another running operation
      When the client cancels it by sending the name of the other in the body
      Then the other is not cancelled

    Scenario Outline: Another operation is named elsewhere
      Given a running operation
      And another running operation
      When the client cancels it by sending <naming>
      Then the other is not cancelled

      Examples:
        | naming                          |
        | the routing header of the other |
        | the name of the other in a form |

    Scenario: The body names an operation where the path names none
      Given a name that no operation has
      And another running operation
      When the client cancels that name by sending the name of the other in the body
      Then the other goes on

  @req:cancel.request.query-name-ignored
  Rule: A `name` query parameter never redirects the call.

    Scenario Outline: The query names another operation
      Given a running operation
      And another running operation
      When the client cancels it by sending <parameter>
      Then only the operation in the path may be cancelled

      Examples:
        | parameter                                        |
        | the name of the other as a parameter             |
        | the name of the other as a parameter and no body |

    Scenario: The query names another operation than a path of several segments
      Given a nested operation
      And another running operation
      When the client cancels it by sending the name of the other as a parameter
      Then only the operation in the path may be cancelled

    Scenario: The query names an operation where the path names one that has ended
      Given an operation that has succeeded
      And another running operation
      When the client cancels it by sending the name of the other as a parameter
      Then the other is not cancelled

    Scenario: The query names an operation where the path names none
      Given a name that no operation has
      And another running operation
      When the client cancels that name by sending the name of the other as a parameter
      Then the other goes on

  @req:cancel.request.unknown-body-field
  Rule: A body with an unknown member is either accepted (200, effective) or rejected (400 INVALID_ARGUMENT, ineffective); the choice is free (MAY), a server fault or a rejected-but-effective cancel is not.

    Scenario: The body has a member that nobody knows
      Given a running operation
      When the client cancels it by sending an unknown member
      Then the cancel takes effect, or is refused and has none

    Scenario: The cancel of a name of several segments has a member that nobody knows
      Given a nested operation
      When the client cancels it by sending an unknown member
      Then the cancel takes effect, or is refused and has none

  @req:cancel.request.malformed-body
  Rule: Malformed or non-object JSON (`{`, `[]`, `null`, `"x"`) is answered 400 INVALID_ARGUMENT, or ignored when the binding has no body; never 5xx.

    Scenario Outline: The body is no object
      Given a running operation
      When the client cancels it by sending <body> for an object
      Then the cancel takes effect, or is refused and has none

      Examples:
        | body          |
        | an open brace |
        | an array      |
        | null          |
        | a string      |

    Scenario: The body for a name of several segments is no object
      Given a nested operation
      When the client cancels it by sending an open brace for an object
      Then the cancel takes effect, or is refused and has none

  @req:cancel.request.system-params
  Rule: Google system query parameters (`alt=json`, `$alt=json`, `prettyPrint`, `key`, `quotaUser`, `fields`, `$.xgafv`) do not break cancel.

    Scenario Outline: The query has system parameters
      Given a running operation
      When the client cancels it by sending <parameters>
      Then the cancel counts like a plain one

      Examples:
        | parameters                        |
        | the system parameters             |
        | the system parameters and no body |

    Scenario: The query of a name of several segments has system parameters
      Given a nested operation
      When the client cancels it by sending the system parameters
      Then the cancel counts like a plain one

  @req:cancel.request.unknown-query-param
  Rule: An unknown query parameter is either ignored (200) or rejected (400, ineffective); the choice is free (MAY), a server fault or a rejected-but-effective cancel is not.

    Scenario: The query has a parameter that nobody knows
      Given a running operation
      When the client cancels it by sending an unknown parameter
      Then the cancel takes effect, or is refused and has none

    Scenario: The query of a name of several segments has a parameter that nobody knows
      Given a nested operation
      When the client cancels it by sending an unknown parameter
      Then the cancel takes effect, or is refused and has none

  @req:cancel.request.chunked-empty
  Rule: A zero-length chunked body is treated like a zero-byte body.

    Scenario Outline: Nothing is sent, in chunks
      Given a running operation
      When the client cancels it by sending <nothing>
      Then the cancel counts like a plain one

      Examples:
        | nothing                                          |
        | no body, in chunks, and no content type          |
        | no body, in chunks, and the content type of JSON |
