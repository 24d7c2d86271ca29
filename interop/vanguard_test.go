package interop_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"

	"connectrpc.com/vanguard"
	// Registers the description of the service that is transcoded.
	_ "cloud.google.com/go/longrunning/autogen/longrunningpb"
)

// vanguardTranscoder serves the bindings with vanguard in front of the gRPC
// server at address.
func vanguardTranscoder(address string) (http.Handler, error) {
	upstream := vanguard.NewService("google.longrunning.Operations", h2cProxy(address),
		vanguard.WithTargetProtocols(vanguard.ProtocolGRPC), vanguard.WithTargetCodecs(vanguard.CodecProto))
	var options []vanguard.TranscoderOption
	for _, b := range bindings() {
		options = append(options, vanguard.WithRules(b.rule()))
	}
	t, err := vanguard.NewTranscoder([]*vanguard.Service{upstream}, options...)
	if err != nil {
		return nil, fmt.Errorf("vanguard: %w", err)
	}
	return t, nil
}

// h2cProxy passes requests on over HTTP/2 without TLS, as gRPC needs it.
func h2cProxy(address string) http.Handler {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	proxy.Transport = &http.Transport{Protocols: &protocols}
	proxy.FlushInterval = -1                    // streams are passed on as they come
	proxy.ErrorLog = log.New(io.Discard, "", 0) // which tells of callers that went away
	return proxy
}
