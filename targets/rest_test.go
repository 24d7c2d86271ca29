package targets

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestRESTBindings(t *testing.T) {
	name := "projects/p/operations/a=b:c d"
	for _, c := range []struct {
		method Method
		m      proto.Message
		want   string
	}{
		{Get, &longrunningpb.GetOperationRequest{Name: name}, "GET /v1/projects/p/operations/a=b:c%20d HTTP/1.1|"},
		{Delete, &longrunningpb.DeleteOperationRequest{Name: name}, "DELETE /v1/projects/p/operations/a=b:c%20d HTTP/1.1|"},
		{Cancel, &longrunningpb.CancelOperationRequest{Name: name}, "POST /v1/projects/p/operations/a=b:c%20d:cancel HTTP/1.1|{}"},
		{Wait, &longrunningpb.WaitOperationRequest{Name: "x", Timeout: durationpb.New(1500 * time.Millisecond)}, `POST /v1/x:wait HTTP/1.1|{"timeout":"1.500s"}`},
		{Wait, &longrunningpb.WaitOperationRequest{Name: "x"}, `POST /v1/x:wait HTTP/1.1|{}`},
		{List, &longrunningpb.ListOperationsRequest{}, "GET /v1/operations HTTP/1.1|"},
		{List, &longrunningpb.ListOperationsRequest{Name: "projects/p", PageSize: 5, PageToken: "a+/=", Filter: "done = true"}, "GET /v1/projects/p/operations?pageSize=5&pageToken=a%2B%2F%3D&filter=done+%3D+true HTTP/1.1|"},
	} {
		t.Run(string(c.method), func(t *testing.T) {
			address, requests := recordRequest(t, okAnswer)
			x, err := restAt(t, Connection{Addresses: []string{"http://" + address + "/v1/"}}).Call(t.Context(), c.method, c.m)
			require.NoError(t, err)
			got := <-requests
			line, _, _ := strings.Cut(got, "\r\n")
			head, body, _ := strings.Cut(got, "\r\n\r\n")
			assert.Equal(t, c.want, line+"|"+body)
			assert.Contains(t, head, "User-Agent: conform")
			assert.Equal(t, body != "", strings.Contains(head, "Content-Type: application/json"))
			assert.Equal(t, strings.TrimSuffix(line, " HTTP/1.1"), x.Request.Line)
			assert.Equal(t, body, x.Request.Body)
			assert.Equal(t, map[string]any{}, x.Doc)
			assert.Equal(t, c.method, x.Method)
			assert.True(t, x.Accepted())
		})
	}
}

func TestRESTRefusesAMessageOfAnotherMethod(t *testing.T) {
	x, err := restAt(t, Connection{Addresses: []string{"http://127.0.0.1:1"}}).Call(t.Context(), Get, &longrunningpb.CancelOperationRequest{})
	var none *NoAnswer
	require.ErrorAs(t, err, &none)
	assert.Contains(t, x.Problem, "does not take a request of type")
}

func TestRESTRaw(t *testing.T) {
	for _, c := range []struct {
		name         string
		raw          RawRequest
		line         string
		holds, lacks []string
		body         string
	}{
		{name: "target byte for byte", raw: RawRequest{HTTPMethod: "POST", Target: `/a/../b/%2e%2F%zz//;x{}|"é:cancel?a=%41&b=c d`},
			line: `POST /v1/a/../b/%2e%2F%zz//;x{}|"é:cancel?a=%41&b=c d HTTP/1.1`, holds: []string{"Content-Length: 0\r\n"}, lacks: []string{"Content-Type"}},
		{name: "zero bytes", raw: RawRequest{HTTPMethod: "PUT", Target: "/x", Body: []byte{}}, line: "PUT /v1/x HTTP/1.1", holds: []string{"Content-Length: 0\r\n"}},
		{name: "zero bytes with a type", raw: RawRequest{HTTPMethod: "POST", Target: "/x", Header: map[string]string{"content-TYPE": "application/json"}},
			line: "POST /v1/x HTTP/1.1", holds: []string{"Content-Length: 0\r\n", "content-TYPE: application/json\r\n"}},
		{name: "chunked and empty", raw: RawRequest{HTTPMethod: "POST", Target: "/x", Chunked: true}, line: "POST /v1/x HTTP/1.1",
			holds: []string{"Transfer-Encoding: chunked\r\n"}, lacks: []string{"Content-Length"}, body: "0\r\n\r\n"},
		{name: "chunked", raw: RawRequest{HTTPMethod: "POST", Target: "/x", Chunked: true, Body: []byte("{}")}, line: "POST /v1/x HTTP/1.1", body: "2\r\n{}\r\n0\r\n\r\n"},
		{name: "GET has no length", raw: RawRequest{HTTPMethod: "GET", Target: "/x"}, line: "GET /v1/x HTTP/1.1", lacks: []string{"Content-Length", "Accept-Encoding"}},
		{name: "odd method", raw: RawRequest{HTTPMethod: "BREW", Target: "/x"}, line: "BREW /v1/x HTTP/1.1"},
		{name: "headers removed", raw: RawRequest{HTTPMethod: "POST", Target: "/x", Header: map[string]string{"user-agent": "", "x-set": ""}},
			line: "POST /v1/x HTTP/1.1", lacks: []string{"User-Agent", "X-Set"}},
		{name: "a call with less", raw: RawRequest{Method: Cancel, Message: &longrunningpb.CancelOperationRequest{Name: "n"}, Header: map[string]string{"content-type": ""}},
			line: "POST /v1/n:cancel HTTP/1.1", holds: []string{"X-Set: 1\r\n"}, lacks: []string{"Content-Type"}, body: "{}"},
		{name: "other host", raw: RawRequest{HTTPMethod: "GET", Target: "/x", Header: map[string]string{"Host": "other.example"}}, line: "GET /v1/x HTTP/1.1", holds: []string{"Host: other.example\r\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, requests := recordRequest(t, okAnswer)
			client := restAt(t, Connection{Addresses: []string{"http://" + address + "/v1"}, Headers: map[string]string{"X-Set": "1"}})
			x, err := client.Raw(t.Context(), c.raw)
			require.NoError(t, err)
			head, body, _ := strings.Cut(<-requests, "\r\n\r\n")
			head += "\r\n"
			assert.True(t, strings.HasPrefix(head, c.line+"\r\n"), head)
			for _, h := range c.holds {
				assert.Contains(t, head, h)
			}
			for _, h := range c.lacks {
				assert.NotContains(t, head, h)
			}
			assert.Equal(t, c.body, body)
			assert.Equal(t, 200, x.HTTP)
			assert.Equal(t, c.raw.Method, x.Method)
		})
	}
}

func TestRESTTwoSlashesAtTheStart(t *testing.T) {
	address, requests := recordRequest(t, okAnswer)
	client := restAt(t, Connection{Addresses: []string{"http://" + address}})
	_, err := client.Raw(t.Context(), RawRequest{HTTPMethod: "GET", Target: "//a%2Fb/..//c?x=%41"})
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(<-requests, "GET //a%2Fb/..//c?x=%41 HTTP/1.1\r\n"))
	_, err = client.Raw(t.Context(), RawRequest{HTTPMethod: "GET", Target: "//%zz"})
	assert.ErrorContains(t, err, "cannot be sent")
}

func TestRESTProxyOfTheEnvironment(t *testing.T) {
	address, requests := recordRequest(t, okAnswer)
	t.Setenv("HTTP_PROXY", "http://"+address)
	t.Setenv("NO_PROXY", "")
	raw := RawRequest{HTTPMethod: "GET", Target: "/a/../%2e"}
	_, err := restAt(t, Connection{Addresses: []string{"http://service.invalid/v1"}}).Raw(t.Context(), raw)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(<-requests, "GET http://service.invalid/v1/a/../%2e HTTP/1.1\r\n"))

	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	_, err = restAt(t, Connection{Addresses: []string{"http://service.invalid/v1"}, Dial: dial}).Raw(t.Context(), raw)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(<-requests, "GET /v1/a/../%2e HTTP/1.1\r\n"), "no proxy beside a dialer")
}

func TestNewRESTRefuses(t *testing.T) {
	for _, address := range []string{"", "ftp://h", "http://", "http://u:p@h", "http://h?x=1", "h:80", "http://h#f", "http://h:%"} {
		_, err := NewREST(Connection{Addresses: []string{address}})
		assert.ErrorContains(t, err, "rest: address", address)
		assert.NotContains(t, fmt.Sprint(err), "u:p")
	}
	_, err := NewREST(Connection{})
	assert.EqualError(t, err, "rest: no address")
}

// TestRESTLeavesConnectionsThatCloseSilently sees that a server which closes a used
// connection instead of answering is asked over a connection of its own from then on:
// it may have closed it for the calls before.
func TestRESTLeavesConnectionsThatCloseSilently(t *testing.T) {
	address := listen(t, func(c net.Conn) {
		requests := bufio.NewReader(c)
		for answers := 1; ; answers-- {
			r, err := http.ReadRequest(requests)
			if err != nil || answers == 0 {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	client := restAt(t, Connection{Addresses: []string{"http://" + address}})
	var answered []bool
	for range 5 {
		x, err := client.Call(t.Context(), Cancel, &longrunningpb.CancelOperationRequest{Name: "operations/a"})
		answered = append(answered, err == nil && x.HTTP == 200)
	}
	assert.Equal(t, []bool{true, false, true, true, true}, answered)
}
