package steps

import (
	"regexp"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// roles is a ruling where operations of a role that a requirement needs cannot be had.
func (r *run) roles(req features.Requirement) error {
	var missing error
	for _, name := range req.Roles {
		if err := r.role(targets.Role(name)); err != nil {
			if err.(*ruling).verdict == reports.Inapplicable {
				return err
			}
			missing = err
		}
	}
	return missing
}

// hasEnded is how a scenario begins that is about what has ended, with the kind.
var hasEnded = regexp.MustCompile(`^an? (?:(\w+) )?operation that (?:(?:has been|was) cancelled|has (failed))`)

// ownRole is the role that a scenario about what has ended needs, whatever its
// requirement does; "" of others.
func (c *planned) ownRole() targets.Role {
	switch m := hasEnded.FindStringSubmatch(c.steps[0].Text); {
	case m == nil:
		return ""
	case m[2] != "":
		return targets.Failing
	case m[1] != "":
		return targets.Role(m[1])
	}
	return targets.Running
}

// goesWithout tells whether a case can be run where its requirement lacks a role: it
// needs another, of which there are enough. It cannot judge the requirement, which is
// about more than that, but what it finds is broken is so.
func (r *run) goesWithout(c *planned) bool {
	own := c.ownRole()
	return own != "" && r.role(own) == nil && !r.scarce(own)
}

// unlessMissing gives a case that was run without a role of its requirement the
// verdict for that, unless it has failed.
func (c *planned) unlessMissing(result *reports.Case) {
	if r, ok := c.missing.(*ruling); ok && result.Verdict != reports.Failed {
		result.Verdict, result.Reason, result.Needs = r.verdict, r.reason, r.needs
	}
}
