package reference

import "time"

// Options say how a server behaves where the contract leaves a choice. The
// zero value is the honest server with every method, open to everybody.
type Options struct {
	// Template is the pattern of operation names (google/api/http.proto, path
	// template syntax); "" is projects/*/operations/**.
	Template string
	// Base is the path below which the REST methods are bound, with the
	// version; "" is /v1beta.
	Base string

	// EarthEngine serves REST with the bindings and metadata of Earth Engine:
	// projects/*/image:export starts operations, besides the usual way.
	EarthEngine bool

	// Tokens are the bearer tokens of the callers. Nil: nobody is asked.
	Tokens map[string]Caller

	// NoCancel, NoList, NoWait and NoDelete answer UNIMPLEMENTED, as
	// google/longrunning/operations.proto has it for optional methods.
	NoCancel, NoList, NoWait, NoDelete bool
	// FinishedOK answers OK to a cancel of a finished operation, which stays as
	// it is; otherwise that is FAILED_PRECONDITION.
	FinishedOK bool

	// CancelDelay is the time from an accepted cancel to the end of the
	// operation; 0 is 5 ms, negative ends it within the call.
	CancelDelay time.Duration
	// Natural is how long succeeding and failing operations last; 0 is 200 ms.
	Natural time.Duration
	// Lifetime is how long all other operations last; 0 is 10 minutes.
	Lifetime time.Duration
	// SlowStop is the CancelDelay of operations of the kind slow; 0 is 2.1 s.
	SlowStop time.Duration
	// MaxWait bounds a WaitOperation, whatever it asks for; 0 is a minute.
	MaxWait time.Duration
}

// withDefaults returns the options with every default filled in.
func (o Options) withDefaults() Options {
	if o.Template == "" {
		o.Template = "projects/*/operations/**"
	}
	if o.Base == "" {
		o.Base = "/v1beta"
	}
	for _, d := range []struct {
		value     *time.Duration
		otherwise time.Duration
	}{
		{&o.CancelDelay, 5 * time.Millisecond},
		{&o.Natural, 200 * time.Millisecond},
		{&o.Lifetime, 10 * time.Minute},
		{&o.SlowStop, 2100 * time.Millisecond},
		{&o.MaxWait, time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.otherwise
		}
	}
	return o
}
