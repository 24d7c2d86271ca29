package steps

import (
	"context"
	"fmt"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// givenUnknownName finds a well-formed name of no operation.
func givenUnknownName(ctx context.Context, several string) error {
	w := of(ctx)
	if several != "" {
		w.unknownRole = targets.Nested
	}
	name, err := w.unknownName(ctx)
	w.unknown = name
	return err
}

// unknownOperation stands for the operation that there is not.
func (w *world) unknownOperation() *operation {
	return &operation{name: w.unknown, role: w.unknownRole}
}

// givenNearName starts an operation and makes a name from its own, of no other.
// Names are compared as they are written, and whole (AIP-122); where Get takes the
// name for an operation, or has no route for it, it is no unknown one.
func givenNearName(ctx context.Context, relation string) error {
	w := of(ctx)
	op, err := w.startInProgress(ctx, targets.Running)
	if w.it = op; err != nil {
		return err
	}
	p, err := w.pathOf(op.name)
	if err != nil {
		return err
	}
	w.facts["relation"] = relation
	if w.unknown, err = w.nearName(relation, p); err != nil {
		return err
	}
	c, err := w.repeatTransient(ctx, func() call { return w.call(ctx, targets.Get, getRequest(w.unknown), "is the name unknown?") })
	if err == nil && (!notFound(c.Exchange) || ofRouter(c.Exchange)) { // routes may ask for the letters of an id
		err = inapplicable("Get of a name that %s that of an operation is answered %s", relation, c.Status())
	}
	return err
}

// nearName is a name made from another; the error is a ruling where there is none.
func (w *world) nearName(relation string, p namePath) (string, error) {
	name := p.name()
	switch relation {
	case "begins with":
		return longer(name), nil
	case below:
		// Where no operation with such a name can be started, the plain one's
		// controls serve.
		if w.run.target.Roles[targets.Nested].Configured {
			w.unknownRole = targets.Nested
		}
		return name + "/b1", w.run.unlessUnavailable(targets.Nested)
	case percentEncodes:
		return encodedName(name)
	case elsewhere:
		if len(p.parents) == 0 {
			return "", inapplicable("the name %s has no parent", name)
		}
		return p.elsewhere(p.parents[len(p.parents)-1], 0).name(), nil
	}
	other := strings.TrimSuffix(name, p.id()) + otherCase(p.id())
	if other == name {
		return "", inapplicable("the id of %s has no letters", name)
	}
	return other, nil
}

// encodedName is a name with the first letter or digit of its last segment
// percent-encoded.
func encodedName(name string) (string, error) {
	last := strings.LastIndexByte(name, '/') + 1
	at := strings.IndexFunc(name[last:], isAlphanumeric)
	if at < 0 {
		return "", inapplicable("the last segment of %s has no letter and no digit", name)
	}
	at += last
	return fmt.Sprintf("%s%%%02X%s", name[:at], name[at], name[at+1:]), nil
}

// unknownName is the name of no operation: the target file's, or the name of a
// real one whose last four letters and digits are replaced by others of their
// class. It is used only if Get does not find it.
func (w *world) unknownName(ctx context.Context) (string, error) {
	return w.unknownLike(ctx, w.unknownRole)
}

// unknownLike is unknownName for names like those of a role's operations.
func (w *world) unknownLike(ctx context.Context, role targets.Role) (string, error) {
	real := ""
	switch {
	case w.run.target.Unknown == "":
		if err := w.canSpend(role); err != nil {
			return "", err
		}
		op, err := w.startInProgress(ctx, role)
		if err != nil {
			return "", err
		}
		real = op.name
	case role != targets.Running:
		return "", inapplicable("the target file says which name is unknown (key unknown), so that none of a %s operation is made up", role)
	}
	last := ""
	for try := range unknownTries {
		name := w.run.target.Unknown
		if name == "" {
			name = unlike(real, try)
		}
		w.run.namesakes.vacate(name)
		c, err := w.repeatTransient(ctx, func() call { return w.call(ctx, targets.Get, getRequest(name), "is the name unknown?") })
		if c.err != nil {
			return "", inconclusive("Get of a name that no operation has brought no answer: %v", c.err)
		}
		if err != nil {
			return "", err
		}
		w.checkErrorAbout(&operation{name: name, role: role}, c)
		if notFound(c.Exchange) || errorAsSuccess(c.Exchange) {
			return name, nil
		}
		last = fmt.Sprintf("Get of %s answered %s", name, c.Status())
		if w.run.target.Unknown != "" {
			break
		}
	}
	if w.run.target.Unknown != "" {
		return "", inconclusive("Get does not answer NOT_FOUND for what the target file calls unknown: %s", last)
	}
	return "", inconclusive("no name of no operation was found (key unknown): %s", last)
}

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// unlike replaces the last four letters and digits of a name by others of
// their class; different tries give different names. The letters of an id in
// hexadecimal stay such, as routes may ask for them, and an id that is a number
// becomes a high one.
func unlike(name string, try int) string {
	if at := strings.LastIndexByte(name, '/'); at > 0 && !strings.ContainsFunc(name[at:], isAlphanumeric) && !strings.HasSuffix(name[:at], "/operations") {
		return unlike(name[:at], try) + name[at:] // what is unlike stands in the segment before
	}
	b := []byte(name)
	last := strings.LastIndexByte(name, '/') + 1
	hex := strings.Trim(strings.ToLower(name[last:]), "0123456789abcdef-") == ""
	for i, left := len(b)-1, 4; i >= last && left > 0; i-- {
		n := 2 + try*2 + left
		shift, letter := byte(1+n%8), byte(26)
		if hex {
			shift, letter = byte(1+n%5), 6
		}
		switch c := b[i]; {
		case c >= '0' && c <= '9':
			b[i] = '0' + (c-'0'+byte(1+n%8))%10
		case c >= 'a' && c <= 'z':
			b[i] = 'a' + (c-'a'+shift)%letter
		case c >= 'A' && c <= 'Z':
			b[i] = 'A' + (c-'A'+shift)%letter
		default:
			continue
		}
		left--
	}
	if id := name[last:]; id != "" && strings.Trim(id, "0123456789") == "" {
		b[last] = '9'
		if id[0] == '9' {
			b[last] = '8'
		}
		missing := max(highDigits-len(id), 0)
		if try > 0 { // every such number may be taken
			missing = max(missing, 7) + try
		}
		return name[:last] + strings.Repeat("9", missing) + string(b[last:])
	}
	return string(b)
}
