package reference

import (
	"net/http"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// hangsSecond decorates a handler so that the second cancel of a connection is never
// answered.
func hangsSecond(of methodOf) func(http.Handler) http.Handler {
	cancels := newNameSet() // by who calls
	return requests(of, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		if cancels.add(r.RemoteAddr) == 2 {
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	})
}

// framingMutants put answers that are right into frames, or under headers, that
// are not.
func framingMutants() []Mutant {
	const media, object = "cancel.response.content-type-json", "cancel.response.empty-json-object"
	grpcAlone := map[targets.Transport][]string{targets.REST: nil}
	messages := func(name, doc string, m targets.Method, breaks string, edit func(op *longrunningpb.Operation, message []byte) [][]byte) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, BreaksOn: grpcAlone, Fault: Fault{Wire: answers(wireMethod, m, func(d *draft) {
			op := new(longrunningpb.Operation)
			if sent := d.messages(); d.ok() && len(sent) == 1 && proto.Unmarshal(sent[0], op) == nil {
				d.setMessages(edit(op, sent[0])...)
			}
		})}}
	}
	twice := func(_ *longrunningpb.Operation, m []byte) [][]byte { return [][]byte{m, m} }
	andEvent := func(op *longrunningpb.Operation, m []byte) [][]byte {
		if isCancelled(op) {
			return [][]byte{m, nil}
		}
		return [][]byte{m}
	}
	states := func(op *longrunningpb.Operation, m []byte) [][]byte {
		before := proto.CloneOf(op)
		before.Done, before.Result = false, nil
		if setState(before, running); isCancelled(op) {
			setState(before, cancelling)
		}
		if data, err := proto.Marshal(before); err == nil && op.GetDone() {
			return [][]byte{data, m}
		}
		return [][]byte{m}
	}
	types := func(name, doc, breaks string, of func(d *draft) bool) Mutant {
		return restOnly(name, doc, answers(restMethod, targets.Cancel, func(d *draft) {
			if of(d) {
				d.header["Content-Type"] = []string{"application/json", "text/html; charset=utf-8"}
			}
		}), breaks)
	}
	return []Mutant{
		{Name: "second-cancel-hangs", Doc: "Takes a lock in the first cancel of a connection that it waits for in the second.", Breaks: []string{"cancel.accept.in-progress"},
			Fault: Fault{REST: hangsSecond(restMethod), Wire: hangsSecond(wireMethod)}},
		messages("gets-twice", "Writes what Get returns twice, once in its handler and once in a filter.", targets.Get, "cancel.state.get-ok", twice),
		messages("get-and-event", "Streams an event after what Get returns of a cancelled operation.", targets.Get, "cancel.state.get-ok", andEvent),
		messages("waits-twice", "Writes what Wait returns twice.", targets.Wait, "wait.done-immediate", twice),
		messages("wait-and-event", "Streams an event after what Wait returns of a cancelled operation.", targets.Wait, "wait.done-immediate", andEvent),
		{Name: "wait-streams-states", Doc: "Streams the states of an operation to who waits for it while it runs.",
			Breaks: []string{"wait.released-on-cancel"}, BreaksOn: grpcAlone, Fault: Fault{Wire: whilePending(states)}},
		types("two-content-types", "Sends {} as JSON, and as a page as well.", media, func(d *draft) bool { return d.status == http.StatusOK }),
		types("error-with-two-content-types", "Sends its errors as JSON, and as pages as well.", "error.http.content-type-json",
			func(d *draft) bool { return d.status >= http.StatusBadRequest }),
		restOnly("gzips-unlabelled", "Compresses what it answers to those who ask for that, and does not say so.", whereGzip(func(d *draft) {
			gzipped(d)
			d.header.Del("Content-Encoding")
		}), object),
		restOnly("gzips-nothing", "Answers those who ask for gzip with no bytes at all: so short a body was not worth a stream.",
			whereGzip(func(d *draft) { d.body = nil }), object),
	}
}

// whilePending changes the messages of those Waits for which the operation was in
// progress when they came.
func whilePending(edit func(op *longrunningpb.Operation, message []byte) [][]byte) func(http.Handler) http.Handler {
	return requests(wireMethod, targets.Wait, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		m := payloadOf(r)
		asked, op := &draft{}, new(longrunningpb.Operation)
		request := new(longrunningpb.WaitOperationRequest)
		if proto.Unmarshal(m, request) != nil {
			next.ServeHTTP(w, r)
			return
		}
		name, _ := proto.Marshal(&longrunningpb.GetOperationRequest{Name: request.GetName()}) // a name that was decoded
		asked.setMessages(name)
		get := otherPath(r, "/google.longrunning.Operations/GetOperation")
		reread(get, asked.body)
		sent := record(next, get).messages()
		pending := len(sent) == 1 && proto.Unmarshal(sent[0], op) == nil && !op.GetDone()
		d := record(next, r)
		if sent = d.messages(); d.ok() && pending && len(sent) == 1 && proto.Unmarshal(sent[0], op) == nil {
			d.setMessages(edit(op, sent[0])...)
		}
		d.send(w)
	})
}

// whereGzip changes the success of cancels that ask for gzip.
func whereGzip(edit func(d *draft)) func(http.Handler) http.Handler {
	return onForm(func(r *http.Request, _ []byte) bool { return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") },
		func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			d := record(next, r)
			if d.status == http.StatusOK {
				edit(d)
			}
			d.send(w)
		})
}
