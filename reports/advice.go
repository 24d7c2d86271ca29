package reports

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// advice is the YAML that would let what is untested and counts be judged, or
// say that it cannot be: added to the target file as it stands it is valid,
// and the comments show what to write instead where the server can do more.
// "" where no key would change anything.
func advice(r *Report, counted map[string]bool) string {
	needs := map[string][]string{}
	for i := range r.Cases {
		c := &r.Cases[i]
		q := r.Requirement(c.Requirement)
		if c.Verdict != Untested || c.Needs == "" || !counted[c.Requirement] || q == nil || q.Transports[c.Transport] != Untested {
			continue
		}
		needs[c.Needs] = appendNew(needs[c.Needs], c.Requirement)
	}
	if len(needs) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("# Add this to the target file, under keys that are there already where they are.\n")
	adviseRoles(&b, needs)
	adviseStranger(&b, needs)
	adviseOthers(&b, needs)
	return b.String()
}

// adviseRoles writes the roles that are missing.
func adviseRoles(b *strings.Builder, needs map[string][]string) {
	headed := false
	for _, role := range targets.Roles() {
		ids, ok := needs["operations."+string(role)]
		if !ok {
			continue
		}
		if !headed {
			b.WriteString("operations:\n")
			headed = true
		}
		recipe := `http: {method: POST, path: "HOW/TO:start", body: {}, name: /name}`
		fmt.Fprintf(b, "  # %s: %s. Judges %s.\n", role, meaning(role), some(ids))
		if role == targets.Running {
			fmt.Fprintf(b, "  %s:\n    %s\n", role, recipe)
			continue
		}
		fmt.Fprintf(b, "  # %s: {%s}\n", role, recipe)
		fmt.Fprintf(b, "  %s: {unavailable: \"say here why there is none\"}\n", role)
	}
}

// meaning is what an operation of a role does.
func meaning(role targets.Role) string {
	switch role {
	case targets.Running:
		return "keeps running until it is cancelled, longer than settle + observe + 10 s"
	case targets.Succeeding:
		return "ends by itself with a response, 0.2 to 3 s after its start"
	case targets.Failing:
		return "ends by itself with an error, 0.2 to 3 s after its start"
	case targets.Pending:
		return "is queued, and stays so"
	case targets.Nested:
		return "its name has several segments after operations/"
	case targets.Slow:
		return "accepts a cancel and needs 2 s or more to stop"
	case targets.Uncancellable:
		return "cannot be cancelled"
	case targets.Chosen:
		return "the suite chooses its id, {id} in the recipe"
	default:
		return "an operation of this role"
	}
}

// adviseStranger writes the second principal, if it is missing.
func adviseStranger(b *strings.Builder, needs map[string][]string) {
	ids, ok := needs["principals.stranger"]
	if !ok {
		return
	}
	b.WriteString("principals:\n")
	fmt.Fprintf(b, "  # stranger: a caller who is known, but not allowed to cancel. Judges %s.\n", some(ids))
	b.WriteString("  # stranger: {bearer: \"${STRANGER_TOKEN}\"}\n")
	b.WriteString("  stranger: {unavailable: \"say here why there is none\"}\n")
}

// adviseOthers writes the keys that have no `unavailable`: each as a comment,
// and below the exclusions that say that they will not be judged.
func adviseOthers(b *strings.Builder, needs map[string][]string) {
	var keys, excluded []string
	for k := range needs {
		if !strings.HasPrefix(k, "operations.") && k != "principals.stranger" {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return
	}
	sort.Strings(keys)
	for _, k := range keys {
		fmt.Fprintf(b, "# %s: %s. Judges %s. Where there is none, exclude them:\n", k, example(k), some(needs[k]))
		for _, id := range needs[k] {
			excluded = appendNew(excluded, id)
		}
	}
	slices.Sort(excluded)
	b.WriteString("exclude:\n")
	for _, id := range excluded {
		fmt.Fprintf(b, "  - {requirement: %s, reason: \"say here why it cannot be judged\"}\n", id)
	}
}

// example is a value that a key could have.
func example(key string) string {
	_, leaf, _ := strings.Cut(key, ".")
	switch leaf {
	case "list":
		return "the parent whose operations are listed, such as projects/demo, or operations"
	case "name":
		return "the pattern of operation names, such as projects/*/operations/**"
	case "wait", "delete":
		return "true, if the method is bound"
	case "state":
		return "the JSON pointer to the state in an operation's metadata, such as /state"
	}
	switch key {
	case "auth":
		return "the credentials of the calls, such as {bearer: \"${TOKEN}\"}"
	case "unknown":
		return "a well-formed name of no operation"
	}
	return "see the description of the target file"
}
