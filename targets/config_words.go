package targets

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func containsWord(list []string, word string) bool { return slices.Contains(list, word) }

// inWords joins words: "a, b or c".
func inWords(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

func kindInWords(kind string) string {
	switch kind {
	case "object":
		return "a mapping"
	case "array":
		return "a list"
	case "boolean":
		return "true or false"
	default:
		return "a " + kind
	}
}

func valueInWords(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool, json.Number:
		return fmt.Sprint(v)
	case string:
		return "a string"
	case []any:
		return "a list"
	default:
		return "a mapping"
	}
}

// formatInWords says what a format of the schema means and how it is written.
func formatInWords(format string) (what, right string) {
	switch format {
	case "go-duration":
		return "duration above zero", "write a number with its unit, like 10s, 500ms or 1m30s"
	case "base-url":
		return "base URL", "write http or https, host and version, like http://127.0.0.1:8080/v1"
	case "absolute-url":
		return "absolute URL", "write http or https, host and path, like http://127.0.0.1:8080/v1/jobs"
	case "host-port":
		return "address", "write host:port, like 127.0.0.1:9090"
	case "relative-path":
		return "path below rest.url", "write it like projects/demo/jobs:start, without spaces; an absolute URL goes under url"
	case "pointer":
		return "JSON pointer", "write it like /name or /response/name"
	case "grpc-method":
		return "gRPC method", "write package.Service/Method"
	case "name-template":
		return "pattern of names", "write path segments, * and **, like projects/*/operations/**"
	}
	return format, ""
}

// lookup returns the value that a JSON pointer names; nil where there is none.
func lookup(doc any, pointer string) any {
	for _, seg := range strings.Split(pointer, "/")[1:] {
		switch c := doc.(type) {
		case map[string]any:
			doc = c[unescapePointer(seg)]
		case []any:
			i, err := strconv.Atoi(seg)
			if err != nil || i < 0 || i >= len(c) {
				return nil
			}
			doc = c[i]
		default:
			return nil
		}
	}
	return doc
}

// quote writes a value for a message. What came from the environment may be a
// secret, and is not shown.
func (r *reading) quote(pointer string, value any) string {
	if t, ok := lookup(r.doc, pointer).(text); ok && len(t.environment()) > 0 {
		return "its value from the environment"
	}
	s := fmt.Sprint(value)
	if len(s) > 80 {
		s = s[:80] + "..."
	}
	return strconv.Quote(s)
}
