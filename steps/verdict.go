package steps

import (
	"errors"
	"fmt"
	"sync"

	"github.com/lro-tools/conform/reports"
)

// A violation is a finding: the server broke a requirement, and an exchange
// shows it. Only a violation makes a verdict failed.
type violation struct {
	reports.Breach
}

func (v *violation) Error() string {
	msg := v.Message
	if v.Expected != "" {
		msg += "; expected " + v.Expected
	}
	if v.Actual != "" {
		msg += "; got " + v.Actual
	}
	return msg
}

// A ruling ends a case without a finding: inconclusive, untested or inapplicable.
type ruling struct {
	verdict reports.Verdict
	reason  string
	needs   string // untested: the key of the target file
	silent  *call  // inconclusive because this call brought no answer
	// disturbed tells that other cases of the run may be the reason, where the
	// server lets the cancel of one operation touch others.
	disturbed bool
}

func (r *ruling) Error() string { return string(r.verdict) + ": " + r.reason }

func inconclusive(format string, args ...any) error {
	return &ruling{verdict: reports.Inconclusive, reason: fmt.Sprintf(format, args...)}
}

func disturbed(format string, args ...any) error {
	return &ruling{verdict: reports.Inconclusive, reason: fmt.Sprintf(format, args...), disturbed: true}
}

func inapplicable(format string, args ...any) error {
	return &ruling{verdict: reports.Inapplicable, reason: fmt.Sprintf(format, args...)}
}

func untested(needs, format string, args ...any) error {
	return &ruling{verdict: reports.Untested, reason: fmt.Sprintf(format, args...), needs: needs}
}

// isViolation tells whether an error is a finding.
func isViolation(err error) bool {
	var v *violation
	return errors.As(err, &v)
}

// isInapplicable tells whether an error is the ruling that something is not offered.
func isInapplicable(err error) bool {
	r, ok := err.(*ruling)
	return ok && r.verdict == reports.Inapplicable
}

// together runs the same for each of n, at one time, and returns the gravest
// of the errors: a finding before a ruling.
func together(n int, do func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	return gravest(errs)
}

func gravest(errs []error) error {
	var first error
	for _, err := range errs {
		if isViolation(err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}
