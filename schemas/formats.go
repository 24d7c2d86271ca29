package schemas

import (
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// formats returns the formats that our schemas use beside the standard ones.
func formats() map[string]func(string) bool {
	method := regexp.MustCompile(`^/?[A-Za-z_]\w*(\.[A-Za-z_]\w*)*/[A-Za-z_]\w*$`)
	template := regexp.MustCompile(`^[^/\s{}]+(/[^/\s{}]+)*$`)
	variable := regexp.MustCompile(`\{[A-Za-z_][\w.]*(=([^{}]+))?\}`)
	return map[string]func(string) bool{
		"go-duration":   positiveDuration,
		"base-url":      baseURL,
		"absolute-url":  absoluteURL,
		"host-port":     hostPort,
		"relative-path": relativePath,
		"pointer":       pointer,
		"grpc-method":   method.MatchString,
		"name-template": func(s string) bool {
			return template.MatchString(variable.ReplaceAllStringFunc(s, func(v string) string {
				if _, inner, ok := strings.Cut(strings.Trim(v, "{}"), "="); ok {
					return inner
				}
				return "*"
			}))
		},
	}
}

// positiveDuration: Go's syntax (time.ParseDuration), above zero.
func positiveDuration(s string) bool {
	d, err := time.ParseDuration(s)
	return err == nil && d > 0
}

// baseURL: http or https with a host, and nothing after the path.
func baseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && web(u) && u.RawQuery == "" && u.Fragment == "" && !strings.ContainsAny(s, "?#")
}

// absoluteURL: http or https with a host; a query is allowed.
func absoluteURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && web(u) && !strings.Contains(s, "#")
}

func web(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}

func hostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, "/ \t") {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

// relativePath: a request target below a base URL; a query is allowed.
func relativePath(s string) bool {
	return s != "" && !strings.Contains(s, "://") && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r == '#' || r == 0x7f
	}) < 0
}

// pointer: a JSON pointer (RFC 6901) to a member, so not the empty one.
func pointer(s string) bool {
	if !strings.HasPrefix(s, "/") {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			return false
		}
	}
	return true
}
