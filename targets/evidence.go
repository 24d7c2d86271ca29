package targets

import "context"

type evidenceKey struct{}

// WithoutEvidence returns a context whose calls leave the Request and Response
// of their exchanges empty. It is for calls under load that no report shows:
// to render a call, and to remove its secrets, costs more than to make it.
func WithoutEvidence(ctx context.Context) context.Context {
	return context.WithValue(ctx, evidenceKey{}, true)
}

// wantsEvidence tells whether the calls of a context are to be shown.
func wantsEvidence(ctx context.Context) bool { return ctx.Value(evidenceKey{}) == nil }
