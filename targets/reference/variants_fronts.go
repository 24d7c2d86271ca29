package reference

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/lro-tools/conform/targets"
)

// frontVariants have something in front of them that answers some calls for
// itself, in words that are not the service's.
func frontVariants() []Variant {
	slashes := func(r *http.Request, _ []byte) bool { return strings.Contains(strings.ToLower(r.URL.RawQuery), "%2f") }
	return []Variant{
		{Name: "front-blocks-queries", Doc: "Has a front end that answers 403 to a query with an encoded slash in it.",
			Fault: Fault{REST: onForm(slashes, plainStatus(http.StatusForbidden))}},
		{Name: "front-refuses-queries", Alone: true, Doc: "Has a front end that answers 400 to a query with an encoded slash in it.",
			Fault: Fault{REST: onForm(slashes, plainStatus(http.StatusBadRequest))}},
		{Name: "front-ends-waits", Alone: true, Doc: "Has a front end that answers 408 to a Wait that has lasted for 300 ms.",
			Fault: Fault{REST: requests(restMethod, targets.Wait, endsLate)}},
		{Name: "content-type-twice", Doc: "Has a front end that repeats the content type of its answers.",
			Fault: Fault{REST: reform(func(d *draft) {
				if v := d.header["Content-Type"]; len(v) == 1 {
					d.header["Content-Type"] = append(v, v[0])
				}
			})}},
	}
}

// endsLate answers what lasts too long, as a front end does that has a limit of
// its own.
func endsLate(next http.Handler, w http.ResponseWriter, r *http.Request) {
	const limit = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	d := record(next, r.WithContext(ctx))
	if ctx.Err() == nil {
		d.send(w)
		return
	}
	plainStatus(http.StatusRequestTimeout)(next, w, r)
}
