package targets

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRedactorKnownValues(t *testing.T) {
	const secret = `s3cr<t/"+&=value é`
	r := NewRedactor(secret, "abc")
	for name, text := range map[string]string{
		"plain":            "before " + secret + " after",
		"inside a word":    "x" + secret + "y",
		"query":            "/p?q=" + url.QueryEscape(secret),
		"path":             "/p/" + url.PathEscape(secret),
		"name":             "/p/" + EscapeName(secret),
		"lower escapes":    strings.ToLower(url.QueryEscape(secret)),
		"json":             `{"a":"s3cr<t/\"+&=value é"}`,
		"json for html":    `{"a":"s3cr\u003ct/\"+\u0026=value é"}`,
		"base64":           base64.StdEncoding.EncodeToString([]byte(secret)),
		"basic, 0 before":  base64.StdEncoding.EncodeToString([]byte("abc" + secret + "tail")),
		"basic, 1 before":  base64.StdEncoding.EncodeToString([]byte("a" + secret + "tail")),
		"basic, 2 before":  base64.URLEncoding.EncodeToString([]byte("ab" + secret + "tail")),
		"hexadecimal":      "0a" + hex.EncodeToString([]byte(secret)),
		"hexadecimal, big": strings.ToUpper(hex.EncodeToString([]byte(secret))),
	} {
		t.Run(name, func(t *testing.T) {
			got := r.String(text)
			assert.Contains(t, got, Redacted)
			for _, left := range []string{"s3cr", "value", "73336372", "M2Ny", "s%63"} {
				assert.NotContains(t, got, left)
			}
		})
	}
	assert.Equal(t, "abc", r.String("abc"), "three characters are not searched for")
}

func TestRedactorShapes(t *testing.T) {
	var none *Redactor
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"token eyJhbGciOi.eyJzdWIi.c2ln end", "token [redacted] end"},
		{"ya29.A0ARrdaM-x_y and", "[redacted] and"},
		{"missing bearer token. Bearer realm=\"x\"", "missing bearer token. Bearer realm=\"x\""},
		{"bearer token then Bearer secretly", "bearer token then Bearer [redacted]"},
		{"Authorization: Bearer abcd.efgh==", "Authorization: Bearer [redacted]"},
		{"GET /v1/x?key=AB12&pageToken=next&access_token=q HTTP", "GET /v1/x?key=[redacted]&pageToken=next&access_token=[redacted] HTTP"},
		{"/v1?alt=json&page_token=x&$.xgafv=1", "/v1?alt=json&page_token=x&$.xgafv=1"},
		{"https://user:pass@host/x", "https://[redacted]@host/x"},
		{`{"access_token": "abc", "name":"x"}`, `{"access_token": "[redacted]", "name":"x"}`},
		{"AIza" + strings.Repeat("x", 35), "[redacted]"},
		{`{"code":5,"message":"operation \"x\" not found"}`, `{"code":5,"message":"operation \"x\" not found"}`},
		{"-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", "[redacted]"},
	} {
		assert.Equal(t, c.want, none.String(c.text))
	}
}

func TestRedactorHeaders(t *testing.T) {
	r := NewRedactor()
	r.addCredential("x-service-pass", "Basic "+base64.StdEncoding.EncodeToString([]byte("me:opensesame")))
	for _, name := range []string{"authorization", "Proxy-Authorization", "Cookie", "set-cookie", "X-Goog-Api-Key", "X-Service-Pass"} {
		assert.Equal(t, Redacted, r.Header(name, "anything"), name)
	}
	assert.Equal(t, "application/json", r.Header("Content-Type", "application/json"))
	assert.Equal(t, "pass [redacted]", r.Header("X-Echo", "pass opensesame"))
}

func TestRedactorCutText(t *testing.T) {
	r := NewRedactor("opensesame")
	assert.Equal(t, "text "+Redacted, r.cutString("text opense"))
	assert.Equal(t, "text ope", r.cutString("text ope"), "three characters are no secret")
	got := r.shown([]byte(strings.Repeat("x", shownBody-4)+"opensesame"+strings.Repeat("y", 100)), false)
	assert.NotContains(t, got, "open")
	assert.Contains(t, got, "bytes more)")
	got = r.shown([]byte(strings.Repeat("opensesame ", 1<<16)+"x"), false)
	assert.NotContains(t, got, "open")
	assert.Contains(t, got, "bytes more)")
	assert.Equal(t, strings.Repeat("é", shownBody/2-1)+"x… (2 bytes more)", r.shown([]byte(strings.Repeat("é", shownBody/2-1)+"xé"), false))
	assert.Equal(t, `a\xffb`, r.shown([]byte("a\xffb"), false))
}

func TestEscapeName(t *testing.T) {
	for name, want := range map[string]string{
		"projects/p/operations/abc=:@!$&'()*+,;-._~": "projects/p/operations/abc=:@!$&'()*+,;-._~",
		"a b?c#d%e[f]\"<>\\^`{|}\x00\xffé":           "a%20b%3Fc%23d%25e%5Bf%5D%22%3C%3E%5C%5E%60%7B%7C%7D%00%FF%C3%A9",
		"":                                           "",
	} {
		assert.Equal(t, want, EscapeName(name))
	}
}

// TestShapesBegin holds that a credential is removed wherever a word may begin,
// and nowhere else.
func TestShapesBegin(t *testing.T) {
	key := "AIza" + strings.Repeat("x", 30)
	for text, want := range map[string]string{
		key:                           Redacted,
		"a " + key + " b":             "a " + Redacted + " b",
		`"` + key + `","` + key + `"`: `"` + Redacted + `","` + Redacted + `"`,
		"x" + key:                     "x" + key,
		"xAIza," + key:                "xAIza," + Redacted,
		"AIza " + key:                 "AIza " + Redacted,
		"é" + key:                     "é" + Redacted,
		strings.ToUpper(key):          strings.ToUpper(key),
	} {
		assert.Equal(t, want, NewRedactor().String(text), text)
	}
}

// TestSieve holds that nothing which holds a word is let through, wherever it
// stands, nor what is looked for in any case, and that ordinary answers are.
func TestSieve(t *testing.T) {
	forms := encodings("opensesame")
	s := shapeSieve(forms...)
	caught := func(w string) {
		assert.True(t, s.catches(w), w)
		assert.True(t, s.catches("{\"x\": \""+w+"\"}"), w)
	}
	for _, w := range forms {
		caught(w)
	}
	for _, shape := range shapes {
		if shape.begin != "" {
			caught(shape.begin)
		}
		for _, w := range shape.hints {
			caught(w)
			caught(strings.ToUpper(w))
		}
	}
	for _, text := range []string{"", "{}", "projects/demo/operations/QEYJ2WDSK", "OPENSESAME", "application/json; charset=utf-8", "Fri, 27 Nov 2026 14:13:25 GMT",
		`{"name":"projects/demo/operations/QEZBOTH2WDSK","metadata":{"@type":"type.googleapis.com/x.Metadata","state":"RUNNING"},"done":false}`} {
		assert.False(t, s.catches(text), text)
	}
}

func BenchmarkRedactor(b *testing.B) {
	r := NewRedactor("opensesame", "another-secret")
	text := strings.Repeat(`{"name":"projects/demo/operations/QEZBOTH2WDSK","metadata":{"@type":"type.googleapis.com/x.Metadata","state":"RUNNING"},"nextPageToken":"abc"},`, 4)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.String(text)
	}
}
