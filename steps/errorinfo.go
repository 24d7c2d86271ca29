package steps

import (
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strings"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/lro-tools/conform/targets"
)

const errorInfoType = "google.rpc.ErrorInfo"

// The forms of ErrorInfo (google/rpc/error_details.proto).
var (
	reasonForm      = regexp.MustCompile(`^[A-Z][A-Z0-9_]+[A-Z0-9]$`)
	metadataKeyForm = regexp.MustCompile(`^[a-z][a-zA-Z0-9-_]+$`)
)

// checkErrorInfo judges the google.rpc.ErrorInfo among the details of an error.
func (w *world) checkErrorInfo(c call, details []any) {
	const present, form = "error.http.errorinfo", "error.http.errorinfo-format"
	if c.Accepted() || c.Transport == targets.GRPC && (c.GRPC == nil || !c.GRPC.HasStatus || c.GRPC.DetailsBin == nil && madeByLibrary(c)) {
		return
	}
	var info map[string]any
	for _, d := range details {
		m := object(d)
		if t, _ := m["@type"].(string); t == errorInfoType || strings.HasSuffix(t, "/"+errorInfoType) {
			info = m
			break
		}
	}
	if info == nil {
		if c.Transport == targets.REST || c.GRPC.DetailsFault == "" && decodes(c.GRPC.DetailsBin) {
			w.aside(present, c.index, "", "a google.rpc.ErrorInfo among the details", "none", "an error carries no ErrorInfo")
		}
		return
	}
	if domain, _ := info["domain"].(string); domain == "" {
		w.aside(present, c.index, "", "a google.rpc.ErrorInfo with reason and domain", "no domain", "an ErrorInfo does not say whose its reason is")
	} else {
		w.hold(present)
	}
	if why := badErrorInfo(info); why != "" {
		w.aside(form, c.index, "", "reason in UPPER_SNAKE_CASE of 63 characters at most, metadata keys of 64", why, "an ErrorInfo is not well formed")
		return
	}
	w.hold(form)
}

func badErrorInfo(info map[string]any) string {
	reason, _ := info["reason"].(string)
	if len(reason) > 63 || !reasonForm.MatchString(reason) {
		return fmt.Sprintf("reason %q", clip(reason))
	}
	for k := range object(info["metadata"]) {
		if len(k) > 64 || !metadataKeyForm.MatchString(k) {
			return fmt.Sprintf("metadata key %q", clip(k))
		}
	}
	return ""
}

// madeByLibrary tells of statuses that a gRPC library answers with by itself,
// before the service sees the call.
func madeByLibrary(c call) bool {
	d := c.GRPC.StatusDetail
	return strings.HasPrefix(d, "unknown service ") || strings.HasPrefix(d, "unknown method ") || strings.HasPrefix(d, "grpc: ") ||
		strings.Contains(d, "not implemented") || strings.Contains(d, "malformed method name")
}

// grpcDetails decodes grpc-status-details-bin to details as JSON shows them, of
// which only ErrorInfo is read.
func grpcDetails(c call) []any {
	if c.GRPC == nil || c.GRPC.DetailsBin == nil {
		return nil
	}
	var st spb.Status
	if proto.Unmarshal(c.GRPC.DetailsBin, &st) != nil {
		return nil
	}
	var out []any
	for _, d := range st.GetDetails() {
		m := map[string]any{"@type": d.GetTypeUrl()}
		if strings.HasSuffix(d.GetTypeUrl(), errorInfoType) {
			readErrorInfo(d.GetValue(), m)
		}
		out = append(out, m)
	}
	return out
}

// decodes tells whether bytes are a google.rpc.Status; none are an empty one.
func decodes(details []byte) bool { return proto.Unmarshal(details, new(spb.Status)) == nil }

// readErrorInfo reads reason (1), domain (2) and the keys of metadata (3).
func readErrorInfo(b []byte, into map[string]any) {
	metadata := map[string]any{}
	eachField(b, func(n protowire.Number, v []byte) {
		switch n {
		case 1:
			into["reason"] = string(v)
		case 2:
			into["domain"] = string(v)
		case 3:
			eachField(v, func(n protowire.Number, key []byte) {
				if n == 1 {
					metadata[string(key)] = ""
				}
			})
		}
	})
	into["metadata"] = metadata
}

// eachField visits the length-delimited fields of a message.
func eachField(b []byte, visit func(protowire.Number, []byte)) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		b = b[n:]
		if typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return
			}
			visit(num, v)
			b = b[n:]
			continue
		}
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return
		}
		b = b[n:]
	}
}

// detailsDiffer tells how grpc-status-details-bin contradicts grpc-status and
// grpc-message; "" where it does not.
func detailsDiffer(c call) string {
	if c.GRPC.DetailsFault != "" {
		return c.GRPC.DetailsFault
	}
	var st spb.Status
	if err := proto.Unmarshal(c.GRPC.DetailsBin, &st); err != nil {
		return "bytes that are no google.rpc.Status"
	}
	if int64(st.GetCode()) != int64(c.Code) {
		return fmt.Sprintf("code %d in the details, %d in grpc-status", st.GetCode(), c.Code)
	}
	if st.GetMessage() != c.GRPC.StatusDetail {
		return fmt.Sprintf("message %q in the details, %q in grpc-message", clip(st.GetMessage()), clip(c.GRPC.StatusDetail))
	}
	return ""
}

// mediaType is the media type of a REST answer in lower case, without
// parameters; "" where there is none. Several lines that name different ones are
// joined, as recipients may do with any field (RFC 9110, section 5.3): that is no
// media type.
func mediaType(h map[string][]string) string {
	var types []string
	for _, v := range h["Content-Type"] {
		t, _, err := mime.ParseMediaType(v)
		if err != nil {
			t, _, _ = strings.Cut(v, ";")
		}
		types = append(types, strings.ToLower(strings.TrimSpace(t)))
	}
	return strings.Join(slices.Compact(types), ", ")
}
