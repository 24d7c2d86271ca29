package reference

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/lro-tools/conform/targets"
)

// largeMetadata is the size of metadata that is large, in bytes; hugeMetadata that
// of what nobody would read.
const (
	largeMetadata = 64 << 10
	hugeMetadata  = 1<<20 + largeMetadata
)

// shuffled packs a Struct anew, its entries in any order.
func shuffled(a *anypb.Any, extra bool) *anypb.Any {
	s := new(structpb.Struct)
	if a.UnmarshalTo(s) != nil {
		return a
	}
	if s.Fields == nil {
		s.Fields = map[string]*structpb.Value{}
	}
	for i := 0; extra && i < 8; i++ {
		s.Fields[fmt.Sprintf("part%d", i)] = structpb.NewNumberValue(float64(i))
	}
	out := new(anypb.Any)
	if anypb.MarshalFrom(out, s, proto.MarshalOptions{}) != nil {
		return a
	}
	return out
}

// numbersInTurn adds a number to each response, and writes it in one way and in
// another in turn.
func numbersInTurn(next http.Handler) http.Handler {
	var answers atomic.Int64
	return operationDocs(func(op map[string]any) {
		response, _ := op["response"].(map[string]any)
		if value, ok := response["value"].(map[string]any); ok {
			value["ratio"] = json.RawMessage([]string{"1.5", "1.50e0"}[answers.Add(1)%2])
		}
	})(next)
}

// durationsInTurn makes each response a Duration, spelt in one way and in another
// in turn.
func durationsInTurn(next http.Handler) http.Handler {
	var answers atomic.Int64
	return operationDocs(func(op map[string]any) {
		if op["response"] != nil {
			op["response"] = map[string]any{"@type": "type.googleapis.com/google.protobuf.Duration",
				"value": []string{"1.5s", "1.500s"}[answers.Add(1)%2]}
		}
	})(next)
}

func answerVariants() []Variant {
	onError := func(edit func(e map[string]any)) func(http.Handler) http.Handler {
		return operationDocs(func(op map[string]any) {
			if e, ok := op["error"].(map[string]any); ok {
				edit(e)
			}
		})
	}
	const unknownType = "type.googleapis.com/demo.v1.JobMetadata"
	return []Variant{
		{Name: "code-as-text", Doc: "Writes the code of an error as a string, which ProtoJSON parsers accept: a note.",
			Fault: Fault{REST: onError(func(e map[string]any) { e["code"] = fmt.Sprint(e["code"]) })}},
		{Name: "error-names-code", Doc: "Names the code beside its number in an operation's error: a note.",
			Fault: Fault{REST: onError(func(e map[string]any) { e["status"] = "CANCELLED" })}},
		{Name: "error-without-details-member", Doc: "Writes details: [] in an operation's error.",
			Fault: Fault{REST: onError(func(e map[string]any) { e["details"] = []any{} })}},
		{Name: "rewords-messages", Doc: "Words the message of an error anew each time.",
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) {
				if op.GetError() != nil {
					op.GetError().Message = fmt.Sprintf("stopped, as of %s", time.Now().Format(time.RFC3339Nano))
				}
			})}},
		{Name: "repacks-in-any-order", Doc: "Packs metadata and responses anew for each answer, the entries of maps in any order.",
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) {
				op.Metadata = shuffled(op.GetMetadata(), false)
				if op.GetResponse() != nil {
					op.Result = &longrunningpb.Operation_Response{Response: shuffled(op.GetResponse(), true)}
				}
			})}},
		{Name: "writes-numbers-in-turn", Doc: "Writes the numbers of a response in two ways, each as often.",
			Fault: Fault{REST: numbersInTurn}},
		{Name: "spells-durations-in-turn", Doc: "Answers the response as a Duration, which ProtoJSON spells in several ways.",
			Fault: Fault{REST: durationsInTurn}},
		{Name: "large-metadata", Doc: "Has metadata of 64 KiB.",
			Fault: Fault{Service: seen(func(op *longrunningpb.Operation) {
				editMetadata(op, func(fields map[string]*structpb.Value) {
					fields["log"] = structpb.NewStringValue(strings.Repeat("x", largeMetadata))
				})
			})}},
		{Name: "huge-log-when-cancelled", Alone: true, Doc: "Keeps the log of the work in the metadata of a cancelled operation: more than 1 MiB.",
			Fault: Fault{Service: func(next Service) Service {
				return thief{Service: next, get: func(op *longrunningpb.Operation) error {
					if isCancelled(op) {
						editMetadata(op, func(fields map[string]*structpb.Value) {
							fields["log"] = structpb.NewStringValue(strings.Repeat("x", hugeMetadata))
						})
					}
					return nil
				}}
			}}},
		{Name: "many-steps-when-cancelled", Alone: true, Doc: "Lists 60,000 steps of the work in the metadata of a cancelled operation.",
			Fault: Fault{REST: answers(restMethod, targets.Get, func(d *draft) {
				op := d.doc()
				if m, ok := op["metadata"].(map[string]any); ok && op["error"] != nil {
					m["steps"] = make([]int, 60_000)
					d.setDoc(op)
				}
			})}},
		{Name: "speaks-another-language", Doc: "Words its errors in another language than English, with line feeds and percent signs.",
			Fault: Fault{Service: errorsAs(func(s *rpcstatus.Status) {
				s.Message = "100 %: нет такой операции\n操作が見つかりません "
			})}},
		{Name: "metadata-of-its-own-type", Doc: "Has metadata of a type that nobody else knows.",
			Fault: Fault{REST: operationDocs(func(op map[string]any) {
				if op["metadata"] != nil {
					op["metadata"] = map[string]any{"@type": unknownType, "progress": 3}
				}
			}), Wire: operationBytes(func(op []byte) []byte {
				m := new(longrunningpb.Operation)
				if proto.Unmarshal(op, m) != nil || m.GetMetadata() == nil {
					return op
				}
				m.Metadata = &anypb.Any{TypeUrl: unknownType, Value: []byte{0x08, 0x03}}
				if out, err := proto.Marshal(m); err == nil {
					return out
				}
				return op
			})}},
		{Name: "several-details", Doc: "Sends several details with an error, each of a type of its own.",
			Fault: Fault{Service: errorsAs(func(s *rpcstatus.Status) {
				more, err := status.FromProto(s).WithDetails(&errdetails.LocalizedMessage{Locale: "en", Message: "sorry"},
					&errdetails.Help{Links: []*errdetails.Help_Link{{Description: "more", Url: "https://reference.conform.example"}}})
				if err == nil {
					s.Details = more.Proto().GetDetails()
				}
			})}},
		{Name: "unknown-names-invalid", Doc: "Finds that made-up names have no checksum, and answers INVALID_ARGUMENT to their cancel: a note.",
			Fault: Fault{Service: unknownCancelled(func(_ context.Context, _ Service, name string) error {
				return invalid("NAME_MALFORMED", "name %q has no valid checksum", name)
			})}},
		{Name: "opaque-ids", Doc: "Names operations by base64 text with padding.", Fault: Fault{Service: func(next Service) Service { return opaque{next} }}},
	}
}

// An opaque Service chooses ids of base64.
type opaque struct{ Service }

// Start implements Service.
func (o opaque) Start(ctx context.Context, r StartRequest) (*longrunningpb.Operation, error) {
	if r.ID == "" && r.Kind != Nested {
		r.ID = base64.URLEncoding.EncodeToString([]byte(rand.Text())[:10])
	}
	return o.Service.Start(ctx, r)
}
