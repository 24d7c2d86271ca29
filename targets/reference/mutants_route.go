package reference

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"

	"github.com/lro-tools/conform/targets"
)

// routeMutants are wrong about which requests are a cancel, and of what.
func routeMutants() []Mutant {
	return append(append(methodMutants(), verbMutants()...), nameMutants()...)
}

// posted tells whether a request is a POST, to a path that applies says.
func posted(applies func(path string) bool) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == http.MethodPost && applies(rawPath(r.URL)) }
}

// where decorates the REST side so that serve answers the requests that apply.
func where(applies func(*http.Request) bool, serve func(next http.Handler, w http.ResponseWriter, r *http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if applies(r) {
				serve(next, w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// answering answers with an error, or with the empty object of success where
// there is none.
func answering(err error) func(next http.Handler, w http.ResponseWriter, r *http.Request) {
	return func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, []byte("{}"))
	}
}

// rewritten passes on another request: that of a method to the path that edit makes.
func rewritten(method string, edit func(path string) string) func(next http.Handler, w http.ResponseWriter, r *http.Request) {
	return func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, redirected(r, method, edit(rawPath(r.URL))))
	}
}

// redirected is a request without its body, by another method to another path.
func redirected(r *http.Request, method, raw string) *http.Request {
	out := bodiless(r)
	out.Method, out.URL = method, &url.URL{Path: raw, RawPath: raw}
	if plain, err := url.PathUnescape(raw); err == nil {
		out.URL.Path = plain
	}
	return out
}

const verbSuffix = ":cancel"

func asIs(path string) string        { return path }
func withoutVerb(path string) string { return strings.TrimSuffix(path, verbSuffix) }

// onVerb tells whether a request goes to the path of a cancel by a method.
func onVerb(methods ...string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		for _, m := range methods {
			if r.Method == m && strings.HasSuffix(rawPath(r.URL), verbSuffix) {
				return true
			}
		}
		return false
	}
}

// methodMutants are wrong about the HTTP method of a cancel.
func methodMutants() []Mutant {
	const effect, status = "cancel.route.wrong-method-no-effect", "cancel.route.wrong-method-status"
	cancel := rewritten(http.MethodPost, asIs)
	crash := answering(refuse(codes.Internal, "REQUEST_FAILED", "the request could not be handled"))
	return []Mutant{
		{Name: "get-cancels", Doc: "Binds cancel to GET as well, as one published API does.",
			Breaks: []string{effect, status}, Fault: Fault{REST: where(onVerb(http.MethodGet), cancel)}},
		{Name: "any-method-cancels", Doc: "Routes by the path alone, whatever the method.",
			Breaks: []string{effect, status},
			Fault:  Fault{REST: where(onVerb("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"), cancel)}},
		{Name: "head-cancels", Doc: "Has HEAD do what the path says, and throws the answer away.",
			Breaks: []string{effect}, Fault: Fault{REST: where(onVerb(http.MethodHead), cancel)}},
		{Name: "delete-drops-verb", Doc: "Cuts the verb off a path before it looks at the method, so that DELETE deletes.",
			Breaks: []string{effect}, Fault: Fault{REST: where(onVerb(http.MethodDelete), rewritten(http.MethodDelete, withoutVerb))}},
		{Name: "put-cancels-then-405", Doc: "Has a middleware that cancels before the router finds the method wrong.",
			Breaks: []string{effect},
			Fault: Fault{REST: where(onVerb(http.MethodPut), func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				record(next, redirected(r, http.MethodPost, rawPath(r.URL)))
				next.ServeHTTP(w, r)
			})}},
		{Name: "put-cancels-bodiless", Doc: "Takes a PUT without a body for the cancel of clients that know no POST.",
			Breaks: []string{effect, status},
			Fault:  Fault{REST: where(func(r *http.Request) bool { return onVerb(http.MethodPut)(r) && r.ContentLength == 0 }, cancel)}},
		{Name: "second-get-cancels", Doc: "Answers the first GET of a path from its cache, and takes the second for a cancel.",
			Breaks: []string{effect}, Fault: Fault{REST: secondGetCancels}},
		{Name: "get-drops-verb", Doc: "Cuts the verb off a path, so that GET shows the operation.",
			Breaks: []string{status}, Fault: Fault{REST: where(onVerb(http.MethodGet), rewritten(http.MethodGet, withoutVerb))}},
		{Name: "patch-500", Doc: "Fails on a method that it does not know.",
			Breaks: []string{status}, Fault: Fault{REST: where(onVerb(http.MethodPatch), crash)}},
		{Name: "put-ok", Doc: "Answers a PUT to the path of a cancel with success, and does nothing.",
			Breaks: []string{status}, Fault: Fault{REST: where(onVerb(http.MethodPut), answering(nil))}},
		{Name: "options-502", Doc: "Has a front end that knows no OPTIONS.",
			Breaks: []string{status},
			Fault: Fault{REST: where(onVerb(http.MethodOptions), func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "bad gateway", http.StatusBadGateway)
			})}},
	}
}

// secondGetCancels cancels by every second GET to the path of a cancel.
func secondGetCancels(next http.Handler) http.Handler {
	var mu sync.Mutex
	times := map[string]int{}
	return where(onVerb(http.MethodGet), func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		times[r.URL.Path]++
		n := times[r.URL.Path]
		mu.Unlock()
		if n%2 == 0 {
			record(next, redirected(r, http.MethodPost, rawPath(r.URL)))
		}
		next.ServeHTTP(w, r)
	})(next)
}

// verbOf is the verb of a path, which follows the last colon of its last segment.
func verbOf(path string) string {
	_, verb, _ := cutVerb(path)
	return verb
}

// withVerb is the path with the verb of a cancel in the place of its own.
func withVerb(path string) string {
	name, _, _ := cutVerb(path)
	return name + verbSuffix
}

// verbMutants are wrong about the verb of a cancel.
func verbMutants() []Mutant {
	const near = "cancel.route.near-miss-no-effect"
	cancel := rewritten(http.MethodPost, withVerb)
	miss := func(name, doc string, applies func(r *http.Request) bool) Mutant {
		other := func(r *http.Request) bool {
			v := verbOf(rawPath(r.URL))
			return r.Method == http.MethodPost && v != "cancel" && v != "start" && v != "wait" && applies(r)
		}
		return Mutant{Name: name, Doc: doc, Breaks: []string{near}, Fault: Fault{REST: where(other, cancel)}}
	}
	onVerb := func(applies func(verb string) bool) func(*http.Request) bool {
		return func(r *http.Request) bool { return applies(verbOf(rawPath(r.URL))) }
	}
	return []Mutant{
		miss("verb-by-prefix", "Takes every verb that begins with cancel for it.", onVerb(func(v string) bool { return strings.HasPrefix(v, "cancel") })),
		miss("verb-by-suffix", "Takes every path that ends in cancel for one.", onVerb(func(v string) bool { return strings.HasSuffix(v, "cancel") })),
		miss("verb-abbreviated", "Takes abbreviations of a verb.", onVerb(func(v string) bool { return v != "" && strings.HasPrefix("cancel", v) })),
		miss("unknown-verb-cancels", "Knows one verb, and takes every other one for it.", onVerb(func(v string) bool { return v != "" })),
		miss("post-cancels", "Takes a POST to an operation for a cancel, with or without a verb.", onVerb(func(v string) bool { return v == "" })),
		miss("bodiless-post-cancels", "Takes a POST without verb and body for a cancel: there is nothing else that it could be.", func(r *http.Request) bool {
			return verbOf(rawPath(r.URL)) == "" && r.ContentLength == 0
		}),
		miss("query-verb-cancels", "Takes the verb from the query as well.", func(r *http.Request) bool { return r.URL.Query().Has("cancel") }),
		{Name: "splits-at-first-colon", Doc: "Splits the last segment at its first colon, so that an id with one is not found (grpc-gateway#760).",
			Breaks: []string{"cancel.route.post-verb-suffix"},
			Fault: Fault{REST: where(posted(func(p string) bool {
				return strings.Count(p[strings.LastIndexByte(p, '/')+1:], ":") > 1
			}), answering(refuse(codes.NotFound, "PATH_NOT_FOUND", "no such path")))}},
		{Name: "dot-begins-format", Doc: "Takes a dot in an id for the beginning of a format, as some frameworks do, and has none of that name.",
			Breaks: []string{"cancel.route.post-verb-suffix"}, Fault: Fault{REST: where(posted(func(p string) bool {
				return strings.HasSuffix(p, verbSuffix) && strings.Contains(strings.Trim(decode(idIn(p)), "./"), ".") && !strings.Contains(p, "/.") && !strings.Contains(p, "/%2E")
			}), answering(refuse(codes.NotFound, "PATH_NOT_FOUND", "no such format")))}},
		{Name: "colon-swallowed", Doc: "Takes an id with a colon for the name of something else, says OK and does nothing.",
			Breaks: []string{"cancel.route.post-verb-suffix"},
			Fault: Fault{REST: where(posted(func(p string) bool {
				return strings.Count(p[strings.LastIndexByte(p, '/')+1:], ":") > 1
			}), answering(nil))}},
	}
}

// idIn is what follows the collection in the path of a cancel.
func idIn(p string) string {
	_, id, _ := strings.Cut(p, "/operations/")
	return strings.TrimSuffix(id, verbSuffix)
}

// nested tells whether the id in the path of a cancel has several segments, and
// no dots.
func nestedCancel(p string) bool {
	return strings.HasSuffix(p, verbSuffix) && strings.Contains(idIn(p), "/") && !strings.Contains(p, "/.")
}

// nameMutants are wrong about the name in a path.
func nameMutants() []Mutant {
	const segments, decoded = "cancel.route.multi-segment-name", "cancel.route.percent-decode-unreserved"
	unrouted := answering(refuse(codes.NotFound, "PATH_NOT_FOUND", "no such path"))
	crash := answering(refuse(codes.Internal, "REQUEST_FAILED", "the request could not be handled"))
	return append([]Mutant{
		{Name: "routes-one-segment", Doc: "Binds cancel to names of one segment after operations, though it has others.",
			Breaks: []string{segments}, Fault: Fault{REST: where(posted(nestedCancel), unrouted)}},
		{Name: "routes-one-segment-501", Doc: "Binds cancel to names of one segment over REST, and answers 501 where it has no route, as grpc-gateway does.",
			Breaks: []string{segments}, Fault: Fault{REST: where(posted(nestedCancel), answering(refuse(codes.Unimplemented, "NO_ROUTE", "method not allowed")))}},
		{Name: "routes-one-segment-page", Doc: "Does so behind a router that answers what it does not know with a page.",
			Breaks: []string{segments}, Fault: Fault{REST: where(posted(nestedCancel), func(_ http.Handler, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })}},
		{Name: "shortens-nested-name", Doc: "Takes the first segment after operations for the id, and the cancel of what it does not know for done.",
			Breaks: []string{segments}, Fault: Fault{REST: where(posted(nestedCancel), func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				id, _, _ := strings.Cut(idIn(rawPath(r.URL)), "/")
				parent, _, _ := strings.Cut(rawPath(r.URL), "/operations/")
				record(next, redirected(r, r.Method, parent+"/operations/"+id+verbSuffix))
				writeJSON(w, http.StatusOK, []byte("{}"))
			})}},
		{Name: "nested-name-500", Doc: "Fails on a name of several segments.",
			Breaks: []string{segments}, Fault: Fault{REST: where(posted(nestedCancel), crash)}},
		{Name: "takes-last-segment", Doc: "Takes the last segment of a name for its id, and the cancel of what it does not know for done.",
			Breaks: []string{segments}, Fault: Fault{REST: where(posted(nestedCancel), answering(nil))}},
		{Name: "keeps-percent", Doc: "Takes names from the raw path, without decoding them.",
			Breaks: []string{decoded}, Fault: Fault{REST: where(posted(encodedName), unrouted)}},
		{Name: "decodes-capitals-only", Doc: "Decodes percent-encoding with capital letters alone.",
			Breaks: []string{decoded},
			Fault: Fault{REST: where(posted(func(p string) bool {
				return encodedName(p) && strings.Contains(p, "%") && strings.ContainsAny(idIn(p), "abcdef")
			}), unrouted)}},
		{Name: "decodes-ids-only", Doc: "Takes the parent from the raw path, and decodes the id.",
			Breaks: []string{decoded}, Fault: Fault{REST: where(posted(func(p string) bool {
				parent, _, _ := strings.Cut(p, "/operations/")
				return encodedName(p) && decode(parent) != parent
			}), unrouted)}},
		{Name: "keeps-encoded-marks", Doc: "Decodes letters and digits, and leaves the other unreserved characters as they are.",
			Breaks: []string{decoded}, Fault: Fault{REST: where(posted(func(p string) bool {
				return encodedName(p) && !strings.Contains(p, "/%2E%2E") && (strings.Contains(p, "%2D") || strings.Contains(p, "%2E") || strings.Contains(p, "%5F") || strings.Contains(p, "%7E"))
			}), unrouted)}},
		{Name: "encoded-name-500", Doc: "Fails on a path with percent-encoding.",
			Breaks: []string{decoded}, Fault: Fault{REST: where(posted(encodedName), crash)}},
		{Name: "decodes-slash", Doc: "Decodes %2F to a slash, as grpc-gateway does by default, where the profile is Google's.",
			Breaks: []string{"cancel.route.percent-2f-not-separator"}, Fault: slashDecoded(targets.ProfileGoogle)},
	}, placeMutants()...)
}

// slashDecoded is the fault of decoding %2F; it is one in the profile of
// Google's services alone.
func slashDecoded(profile string) Fault {
	slash := strings.NewReplacer("%2F", "/", "%2f", "/")
	return Fault{Target: func(t *targets.Target) { t.Profile = profile },
		REST: where(func(r *http.Request) bool { return slash.Replace(rawPath(r.URL)) != rawPath(r.URL) },
			func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, redirected(r, r.Method, slash.Replace(rawPath(r.URL))))
			})}
}

// ownParent is a path with the parent of the operations that the suite starts.
func ownParent(p string) string {
	base, rest, _ := strings.Cut(p, "/projects/")
	_, rest, _ = strings.Cut(rest, "/")
	return base + "/projects/demo/" + rest
}

// placeMutants let a path lead to operations that it does not name.
func placeMutants() []Mutant {
	const parent, dots, zero = "cancel.route.parent-scope", "cancel.route.dot-segments", "cancel.route.zero-segment-name"
	foreign := func(r *http.Request) bool {
		p := rawPath(r.URL)
		return strings.Contains(p, "/projects/") && strings.Contains(p, "/operations/") && !strings.Contains(p, "/projects/demo/")
	}
	ownCancel := rewritten(http.MethodPost, ownParent)
	empty := posted(func(p string) bool { return strings.HasSuffix(p, "/operations"+verbSuffix) })
	return []Mutant{
		{Name: "cancel-ignores-parent", Doc: "Finds the operation to cancel by its id alone.",
			Breaks: []string{parent}, Fault: Fault{REST: where(func(r *http.Request) bool { return foreign(r) && onVerb(http.MethodPost)(r) }, ownCancel)}},
		{Name: "ignores-parent", Doc: "Finds every operation by its id alone.",
			Breaks: []string{parent},
			Fault: Fault{REST: where(foreign, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, redirected(r, r.Method, ownParent(rawPath(r.URL))))
			})}},
		{Name: "denies-other-parent-too-late", Doc: "Cancels by id, and finds out afterwards that the parent is another one.",
			Breaks: []string{parent},
			Fault: Fault{REST: where(func(r *http.Request) bool { return foreign(r) && onVerb(http.MethodPost)(r) },
				func(next http.Handler, w http.ResponseWriter, r *http.Request) {
					record(next, redirected(r, http.MethodPost, ownParent(rawPath(r.URL))))
					next.ServeHTTP(w, r)
				})}},
		{Name: "dots-pass-the-guard", Doc: "Decides who may call by the path as it was sent, and removes dot segments afterwards.",
			Breaks: []string{dots}, Fault: dotsResolved(func(p string) bool { return strings.Contains(p, "/../") })},
		{Name: "encoded-dots-pass-the-guard", Doc: "Decides who may call before it decodes dots, and removes dot segments afterwards.",
			Breaks: []string{dots}, Fault: dotsResolved(func(p string) bool { return strings.Contains(p, "%2E") })},
		{Name: "one-dot-passes-the-guard", Doc: "Guards the paths that it knows, and removes a dot segment afterwards.",
			Breaks: []string{dots}, Fault: dotsResolved(func(p string) bool { return strings.Contains(p, "/./") })},
		{Name: "empty-id-ok", Doc: "Takes the collection for an operation, as grpc-gateway hands it on, and answers OK.",
			Breaks: []string{zero}, Fault: Fault{REST: where(empty, answering(nil))}},
		{Name: "empty-id-behind-slash-ok", Doc: "Takes a slash at the end of the collection for the name of all that is in it, and answers OK.",
			Breaks: []string{zero}, Fault: Fault{REST: where(posted(func(p string) bool { return strings.HasSuffix(p, "/operations/"+verbSuffix) }), answering(nil))}},
		{Name: "posts-500", Doc: "Fails on every cancel, before it reads the path.",
			BreaksOn: map[targets.Transport][]string{targets.REST: {"cancel.accept.in-progress"}},
			Fault:    Fault{REST: where(onVerb(http.MethodPost), answering(refuse(codes.Internal, "REQUEST_FAILED", "the request could not be handled")))}},
		{Name: "empty-id-500", Doc: "Fails on an empty id.",
			Breaks: []string{zero}, Fault: Fault{REST: where(empty, answering(refuse(codes.Internal, "REQUEST_FAILED", "index out of range")))}},
		{Name: "empty-id-cancels-all", Doc: "Takes an empty id for all operations of the parent, and says that it has found none.",
			Breaks: []string{zero}, Fault: Fault{REST: where(empty, cancelAll)}},
	}
}

// dotsResolved is the fault of resolving dot segments behind the access
// control, on paths that applies says.
func dotsResolved(applies func(p string) bool) Fault {
	const owner = "token-of-the-owner"
	return Fault{
		Options: func(o *Options) { o.Tokens = map[string]Caller{owner: Owner, "token-of-a-stranger": Stranger} },
		REST: where(posted(applies), func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			out := redirected(r, r.Method, path.Clean(strings.ReplaceAll(rawPath(r.URL), "%2E", ".")))
			out.Header.Set("Authorization", "Bearer "+owner)
			next.ServeHTTP(w, out)
		})}
}

// cancelAll cancels every operation of the collection in the path, page by
// page, and then lets the request go on.
func cancelAll(next http.Handler, w http.ResponseWriter, r *http.Request) {
	collection := withoutVerb(rawPath(r.URL))
	base, _, _ := strings.Cut(collection, "/projects/")
	for token, more := "", true; more; more = token != "" {
		list := redirected(r, http.MethodGet, collection)
		list.URL.RawQuery = url.Values{"pageToken": {token}}.Encode()
		doc := record(next, list).doc()
		operations, _ := doc["operations"].([]any)
		for _, op := range operations {
			if op, ok := op.(map[string]any); ok {
				name, _ := op["name"].(string)
				record(next, redirected(r, http.MethodPost, base+"/"+name+verbSuffix))
			}
		}
		token, _ = doc["nextPageToken"].(string)
	}
	next.ServeHTTP(w, r)
}
