package reference

import (
	"net/http"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

// wireMutants break what gRPC promises on the wire.
func wireMutants() []Mutant {
	onCancel := func(name, doc, breaks string, edit func(d *draft)) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{Wire: answers(wireMethod, targets.Cancel, func(d *draft) {
			if d.ok() {
				edit(d)
			}
		})}}
	}
	of := func(name, doc, breaks string, applies func(op *longrunningpb.Operation) bool, edit func(d *draft, request []byte)) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, Fault: Fault{Wire: wireSuccessIn(applies, edit)}}
	}
	queued := func(op *longrunningpb.Operation) bool { return stateOf(op) == pending }
	operation := func(d *draft, request []byte) { d.setMessages(request) }
	event := func(d *draft, _ []byte) { d.setMessages(nil, []byte{0x08, 0x01}) }
	return []Mutant{
		of("nested-answers-operation", "Answers the cancel of a child with the operation.", "grpc.returns-empty", isChild, operation),
		of("pending-answers-operation-over-grpc", "Answers the cancel of what is queued with the operation.", "grpc.returns-empty", queued, operation),
		of("nested-and-event", "Streams an event after the Empty of the cancel of a child.", "grpc.unary", isChild, event),
		of("pending-and-event", "Streams an event after the Empty of the cancel of what is queued.", "grpc.unary", queued, event),
		onCancel("second-message", "Answers a cancel with two messages.", "grpc.unary", func(d *draft) { d.setMessages(nil, nil) }),
		onCancel("no-message", "Answers a cancel with the status OK and no message.", "grpc.returns-empty", func(d *draft) { d.setMessages() }),
		{Name: "operation-for-empty", Doc: "Answers a cancel with the operation.", Breaks: []string{"grpc.returns-empty"},
			Fault: Fault{Wire: requests(wireMethod, targets.Cancel, answerRequest)}},
		onCancel("missing-trailers", "Ends the answer to a cancel without trailers, as a proxy does that cannot forward them.", "grpc.status-in-trailers",
			func(d *draft) { d.trailer = http.Header{} }),
		{Name: "status-with-http-500", Doc: "Sends the errors of Get with an HTTP status that is not 200.",
			Breaks: []string{"grpc.status-in-trailers"},
			Fault: Fault{Wire: answers(wireMethod, targets.Get, func(d *draft) {
				if !d.ok() {
					d.status = http.StatusInternalServerError
				}
			})}},
	}
}

// wireSuccessIn decorates the gRPC side so that edit changes the success of the
// cancels of operations that, as they were before, are such. It is given the
// request as well.
func wireSuccessIn(applies func(op *longrunningpb.Operation) bool, edit func(d *draft, request []byte)) func(http.Handler) http.Handler {
	return requests(wireMethod, targets.Cancel, func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		m := payloadOf(r)
		get := otherPath(r, "/google.longrunning.Operations/GetOperation") // whose request has the same form
		asked := &draft{}
		asked.setMessages(m)
		reread(get, asked.body)
		before := new(longrunningpb.Operation)
		if answer := record(next, get).messages(); len(answer) != 1 || proto.Unmarshal(answer[0], before) != nil {
			before = nil
		}
		d := record(next, r)
		if d.ok() && before != nil && applies(before) {
			edit(d, m)
		}
		d.send(w)
	})
}
