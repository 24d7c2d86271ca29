package targets

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
)

const (
	frameHeader  = 5 // bytes: a flag and the length of the message
	keptMessages = 2 // of an answer; unary methods have one
	// countedMessages is how many messages of an answer are read: a stream of
	// empty ones would cost time for no more insight.
	countedMessages = 10_000
	// discardFactor times the bound of a body is what is read of an answer in
	// all, to see how many messages there are and what the trailers say.
	discardFactor = 4
)

// A grpcAnswer is what stood in the DATA frames of an answer.
type grpcAnswer struct {
	messages  int
	payloads  [][]byte // the first two, compression undone
	plain     []byte   // the body of an answer that is no gRPC
	truncated bool
	problem   error // why the messages are not what gRPC defines; nil where they are
}

// readAnswer reads the messages of an answer up to its trailers. The error is
// that of a stream that broke.
func readAnswer(resp *http.Response, limit int64) (grpcAnswer, error) {
	var a grpcAnswer
	kind := resp.Header.Get("Content-Type")
	if !isGRPC(kind) {
		data, truncated, err := readBounded(resp.Body, limit)
		a.truncated = truncated
		if len(data) > 0 {
			a.plain = data
			a.problem = fmt.Errorf("answer of content type %q is no gRPC", kind)
		}
		return a, err
	}
	left := discardFactor * limit
	for {
		n, err := a.next(resp.Body, resp.Header.Get("Grpc-Encoding"), limit, left)
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return a, err
		}
		if left -= n; left <= 0 || a.messages >= countedMessages || a.cutShort() {
			a.truncated = a.truncated || !a.cutShort()
			return a, nil
		}
	}
}

// isGRPC tells whether a content type is that of gRPC over HTTP/2:
// application/grpc, with a suffix or parameter or without.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(contentType), "application/grpc")
	return ok && (rest == "" || strings.IndexByte("+; ", rest[0]) >= 0)
}

var (
	errCutShort = errors.New("stream ended inside a message")
	errFlag     = errors.New("message has a flag of no meaning")
)

// frameFault tells why the bytes before the trailers are no messages.
func (a *grpcAnswer) frameFault() string {
	if a.cutShort() || errors.Is(a.problem, errFlag) {
		return a.problem.Error()
	}
	return ""
}

// cutShort tells whether the stream ended inside a message.
func (a *grpcAnswer) cutShort() bool { return errors.Is(a.problem, errCutShort) }

// next reads one message, of which it keeps at most limit bytes and reads at
// most left, and returns how much it read. io.EOF is the end of the stream.
func (a *grpcAnswer) next(r io.Reader, encoding string, limit, left int64) (int64, error) {
	var head [frameHeader]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) && endedCleanly(r) {
			a.problem = fmt.Errorf("%w: %d bytes instead of a frame header", errCutShort, n)
			return int64(n), nil
		}
		return int64(n), err
	}
	length := int64(binary.BigEndian.Uint32(head[1:]))
	a.messages++
	var payload []byte
	var got int64
	var err error
	if len(a.payloads) < keptMessages {
		payload, err = io.ReadAll(io.LimitReader(r, min(length, limit)))
		got = int64(len(payload))
	}
	if err == nil && got < min(length, left) {
		var more int64
		more, err = io.CopyN(io.Discard, r, min(length, left)-got)
		if got += more; errors.Is(err, io.EOF) {
			a.problem = fmt.Errorf("%w: %d of %d bytes", errCutShort, got, length)
			err = nil
		}
	}
	if err != nil {
		return got, err
	}
	if len(a.payloads) < keptMessages {
		a.keep(payload, head[0], encoding, length, limit)
	}
	return frameHeader + got, nil
}

// endedCleanly tells whether a stream that ended inside a frame header was
// ended by the server rather than broken.
func endedCleanly(r io.Reader) bool {
	_, err := r.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// keep takes over the payload of a message and undoes its compression.
func (a *grpcAnswer) keep(payload []byte, flag byte, encoding string, length, limit int64) {
	cut := length > limit
	a.truncated = a.truncated || cut
	var problem error
	switch {
	case flag == 1 && strings.EqualFold(encoding, "gzip"):
		plain, truncated, err := gunzip(payload, cut, limit)
		a.truncated = a.truncated || truncated
		if problem = err; err == nil {
			payload = plain
		}
	case flag == 1:
		problem = fmt.Errorf("message is compressed, with grpc-encoding %q", encoding)
	case flag != 0:
		problem = fmt.Errorf("%w: flag %#02x, want 0 or 1", errFlag, flag)
	}
	a.payloads = append(a.payloads, payload)
	if a.problem == nil && problem == nil && a.truncated {
		problem = fmt.Errorf("message is longer than %d bytes: %w", limit, ErrBeyond)
	}
	if a.problem == nil {
		a.problem = problem
	}
}

// status reads the status from the trailers, or from the header of an answer
// that has no messages and no trailers (trailers-only).
func (a *grpcAnswer) status(x *Exchange, resp *http.Response) {
	from := resp.Trailer
	if !sent(from) && a.messages == 0 && a.plain == nil && a.problem == nil {
		from = resp.Header
	}
	x.Code = codes.Unknown // without meaning where there is no status
	if values := from.Values("Grpc-Status"); len(values) > 0 {
		code, fault := readStatus(values)
		if !sent(resp.Trailer) && !endedByHeader(resp) {
			fault, code = "it stands in headers that do not end the stream, which clients take for no status", -1
		}
		x.GRPC.StatusFault = fault
		if code >= 0 {
			x.GRPC.HasStatus, x.Code = true, codes.Code(code)
		}
	}
	x.GRPC.StatusDetail = percentDecode(from.Get("Grpc-Message"))
	x.GRPC.DetailsBin, x.GRPC.DetailsFault = readDetails(from.Values("Grpc-Status-Details-Bin"))
}

// endedByHeader tells whether the header of an answer whose body was read ended the
// stream. Where it states no length, net/http says 0 for that. Where it does, the body
// tells: that of an answer which ended so has no state, and is at its end when it is
// closed too; that of a stream is an error to read then.
func endedByHeader(resp *http.Response) bool {
	if len(resp.Header["Content-Length"]) == 0 {
		return resp.ContentLength == 0
	}
	_ = resp.Body.Close() // there is nothing more to read
	_, err := resp.Body.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// readStatus reads grpc-status. code is negative where it is none of gRPC;
// fault tells what is wrong with the values.
func readStatus(values []string) (code int, fault string) {
	n, err := strconv.ParseUint(values[0], 10, 32)
	if err != nil || n >= uint64(len(codeNames)) {
		return -1, fmt.Sprintf("%.40q is no code of gRPC", values[0])
	}
	for _, v := range values[1:] {
		if v != values[0] {
			return int(n), fmt.Sprintf("it is sent as %.40q and as %.40q", values[0], v)
		}
	}
	return int(n), ""
}

// readDetails decodes grpc-status-details-bin from base64, padded or not; nil
// where it is absent. Several values may be joined by commas; the first is taken.
func readDetails(values []string) (details []byte, fault string) {
	if len(values) == 0 {
		return nil, ""
	}
	for i, v := range strings.Split(strings.Join(values, ","), ",") {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(v), "="))
		switch {
		case err != nil:
			return nil, "a value that is no base64: " + err.Error()
		case i == 0:
			details = append([]byte{}, raw...)
		case !bytes.Equal(details, raw):
			return details, "values that differ"
		}
	}
	return details, ""
}

// sent tells whether any trailer arrived: those that were only announced stand
// in the map without values.
func sent(trailer http.Header) bool {
	for _, values := range trailer {
		if len(values) > 0 {
			return true
		}
	}
	return false
}

// percentDecode undoes the percent-encoding of grpc-message; what is not well
// encoded stays as it is, as gRPC demands.
func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
