package reports

import "github.com/lro-tools/conform/targets"

// bodyWithheld stands where a body was.
const bodyWithheld = "(withheld)"

// WithoutBodies returns a copy of the report without the bodies of requests
// and answers and what findings quote of them, for sharing (--share). The
// verdicts and their reasons stay.
func (r *Report) WithoutBodies() *Report {
	out := *r
	out.Cases = make([]Case, len(r.Cases))
	for i, c := range r.Cases {
		c.Exchanges = make([]targets.Exchange, len(r.Cases[i].Exchanges))
		for k, e := range r.Cases[i].Exchanges {
			e.Request.Body, e.Response.Body = withheld(e.Request.Body), withheld(e.Response.Body)
			e.Body, e.Doc, e.GRPC = nil, nil, nil
			c.Exchanges[k] = e
		}
		c.Repeat = nil
		c.Breaches = make([]Breach, len(r.Cases[i].Breaches))
		for k, b := range r.Cases[i].Breaches {
			b.Actual = withheld(b.Actual)
			c.Breaches[k] = b
		}
		out.Cases[i] = c
	}
	return &out
}

func withheld(s string) string {
	if s == "" {
		return ""
	}
	return bodyWithheld
}
