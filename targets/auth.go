package targets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const (
	// tokenLife is how long a token of a command or a file is used.
	tokenLife = 5 * time.Minute
	// tokenMargin is how long before it expires a token is renewed.
	tokenMargin = time.Minute
	// tokenGrace is how long after it was fetched a token that is refused is
	// kept all the same: a new one would be refused as well, and a suite that
	// tests refusals must not run a command for each of them.
	tokenGrace = 2 * time.Second
	// cloudPlatform is the scope of a token where none is configured.
	cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"
)

// principals reads auth and principals.stranger.
func (r *reading) principals(d *draft) {
	if r.has("/auth") {
		d.credentials[Owner] = r.credentials(d, "/auth")
		d.target.Authenticated = true
	} else if r.has("/tls/cert") {
		d.target.Authenticated, d.target.ClientCertOnly = true, true
	}
	const stranger = "/principals/stranger"
	switch {
	case r.has(stranger + "/unavailable"):
		d.target.Principals[Stranger] = Availability{Unavailable: r.str(stranger + "/unavailable")}
	case r.has(stranger):
		d.credentials[Stranger] = r.credentials(d, stranger)
		d.target.Principals[Stranger] = Availability{Configured: true}
	}
}

// credentials reads one principal's: at most one source of a token, and headers.
func (r *reading) credentials(d *draft, at string) Credentials {
	headers := r.mapStrs(at + "/headers")
	for _, v := range headers {
		d.redact.Add(v)
		if _, token, ok := strings.Cut(v, " "); ok {
			d.redact.Add(token)
		}
	}
	var fetch fetchToken
	switch {
	case r.has(at + "/bearer"):
		return staticCredentials(d.redact, r.str(at+"/bearer"), headers)
	case r.has(at + "/command"):
		argv := r.strs(at + "/command")
		fetch = func(ctx context.Context) (string, time.Time, error) {
			ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("it did not end within %v", commandTimeout))
			defer cancel()
			token, err := runCommand(ctx, d.dir, argv)
			return token, time.Time{}, err
		}
	case r.has(at + "/file"):
		path := r.besides(r.str(at + "/file"))
		fetch = func(context.Context) (string, time.Time, error) {
			data, err := readSmallFile(path)
			return string(data), time.Time{}, err
		}
	case r.has(at + "/google"):
		scopes := r.strs(at + "/google/scopes")
		if len(scopes) == 0 {
			scopes = []string{cloudPlatform}
		}
		fetch = googleToken(scopes, d.target.Timeouts.Request)
	default:
		return staticCredentials(d.redact, "", headers)
	}
	t := newTokens(d.redact, dotted(at), fetch, headers)
	return Credentials{Headers: t.get, Refused: t.refused}
}

// staticCredentials never change; an empty token brings no Authorization.
func staticCredentials(redact *Redactor, token string, headers map[string]string) Credentials {
	all := maps.Clone(headers)
	if all == nil {
		all = map[string]string{}
	}
	if token = strings.TrimSpace(token); token != "" {
		redact.Add(token)
		all["Authorization"] = "Bearer " + token
	}
	return Credentials{Headers: func(context.Context) (map[string]string, error) { return maps.Clone(all), nil }}
}

// A fetchToken brings a token and when it expires; a zero time means that
// this is not known.
type fetchToken func(ctx context.Context) (token string, expires time.Time, err error)

// tokens keeps a token until it expires or is refused.
type tokens struct {
	redact  *Redactor
	key     string // of the target file
	fetch   fetchToken
	headers map[string]string
	now     func() time.Time

	turn    chan struct{} // held by who reads or writes what follows
	token   string
	fetched time.Time
	until   time.Time // when the token is no longer used
}

func newTokens(redact *Redactor, key string, fetch fetchToken, headers map[string]string) *tokens {
	return &tokens{redact: redact, key: key, fetch: fetch, headers: headers, now: time.Now, turn: make(chan struct{}, 1)}
}

// get returns the headers; one caller fetches while the others wait.
func (t *tokens) get(ctx context.Context) (map[string]string, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: waiting for a token: %w", t.key, context.Cause(ctx))
	}
	defer func() { <-t.turn }()
	if t.token == "" || !t.now().Before(t.until) {
		token, expires, err := t.fetch(ctx)
		token = strings.TrimSpace(token)
		if err == nil && (token == "" || strings.ContainsAny(token, "\r\n")) {
			err = errors.New("it brought no token of one line")
		}
		if err != nil {
			text := t.redact.String(t.key + ": " + err.Error())
			return nil, &recipeError{text: text, cause: err}
		}
		t.redact.Add(token)
		t.token, t.fetched, t.until = token, t.now(), t.now().Add(tokenLife)
		if !expires.IsZero() {
			t.until = expires.Add(-tokenMargin)
		}
	}
	all := maps.Clone(t.headers)
	if all == nil {
		all = map[string]string{}
	}
	all["Authorization"] = "Bearer " + t.token
	return all, nil
}

// refused lets the next call fetch a new token.
func (t *tokens) refused() {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	if t.now().Sub(t.fetched) >= tokenGrace {
		t.token = ""
	}
}

// googleToken finds the application default credentials whenever a token is
// wanted, so that a refused one is not handed out again.
func googleToken(scopes []string, timeout time.Duration) fetchToken {
	return func(ctx context.Context) (string, time.Time, error) {
		ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Timeout: timeout})
		found, err := google.FindDefaultCredentials(ctx, scopes...)
		if err != nil {
			return "", time.Time{}, fmt.Errorf("no application default credentials: %w", err)
		}
		token, err := found.TokenSource.Token()
		if err != nil {
			return "", time.Time{}, fmt.Errorf("no token from the application default credentials: %w", err)
		}
		return token.AccessToken, token.Expiry, nil
	}
}
