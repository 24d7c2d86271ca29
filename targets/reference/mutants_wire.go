package reference

import (
	"net/http"

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
	return []Mutant{
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
