package reference

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// TargetFile is a target file of the server where it is served at two addresses
// (host and port), below comments that tell how it is used by hand.
func (s *Server) TargetFile(rest, grpc string) (text string, err error) {
	t, err := s.describeAt(addresses{[]string{rest}, []string{grpc}})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	var b strings.Builder
	owner, stranger := s.token(Owner), s.token(Stranger)
	start := path.Join(s.demoParent(), "jobs:start")
	url := "http://" + rest + s.options.Base
	credentials := ""
	if owner != "" {
		credentials = fmt.Sprintf("-H 'Authorization: Bearer %s' ", owner)
	}
	fmt.Fprintf(&b, `# An operation is started by
#   curl -X POST %[1]s-H 'Content-Type: application/json' -d '{"kind": "running"}' %[2]s/%[3]s
# (kinds: %[4]s), and cancelled by
#   curl -X POST %[1]s%[2]s/NAME:cancel
#
# The target file of this server, from here on:
name: reference-server
`, credentials, url, start, kindNames())
	if t.Profile == targets.ProfileGoogle {
		fmt.Fprintf(&b, "profile: %s\n", t.Profile)
	}
	fmt.Fprintf(&b, "rest: {url: %q, name: %q, list: %s}\n", url, s.names.text, s.names.listName(s.demoParent()))
	fmt.Fprintf(&b, "grpc: {address: %q, plaintext: true}\n", grpc)
	if owner != "" {
		fmt.Fprintf(&b, "auth: {bearer: %s}\n", owner)
	}
	if stranger != "" {
		fmt.Fprintf(&b, "principals: {stranger: {bearer: %s}}\n", stranger)
	}
	if t.Guaranteed {
		b.WriteString("cancellation: guaranteed\n")
	}
	if t.Cancel == targets.CancelUnsupported {
		b.WriteString("cancel: unsupported\n")
	}
	b.WriteString("metadata: {state: /value/state}\noperations:\n")
	for _, role := range targets.Roles() {
		if why := t.Roles[role].Unavailable; why != "" {
			fmt.Fprintf(&b, "  %s: {unavailable: %q}\n", role, why)
			continue
		}
		kind, query := Kind(role), ""
		if role == targets.Chosen {
			kind, query = Running, "?id={id}"
		}
		fmt.Fprintf(&b, "  %s: {http: {method: POST, path: %q, body: {kind: %s}}}\n", role, start+query, kind)
	}
	b.WriteString("timeouts: {request: 5s, settle: 5s, observe: 500ms}\n")
	return b.String(), nil
}

// token is a token of a caller; "" where nobody is asked for one.
func (s *Server) token(of Caller) string {
	for _, token := range slices.Sorted(maps.Keys(s.options.Tokens)) {
		if s.options.Tokens[token] == of {
			return token
		}
	}
	return ""
}

func kindNames() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}
