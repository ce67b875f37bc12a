package signature_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/sources/signature/signaturetest"
)

func policy(scope, level, identity string) []byte {
	return fmt.Appendf(nil, `{"version":"1.0","trustPolicies":[{"name":"test","registryScopes":[%q],
		"signatureVerification":{"level":%q},"trustStores":["ca:test"],"trustedIdentities":[%q]}]}`, scope, level, identity)
}

// nobody is a transport that leads nowhere.
type nobody struct{}

// RoundTrip implements [http.RoundTripper].
func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no network") }

func (a *attached) notation(about, envelope string, content []byte) *attached {
	key := about + " " + signaturetest.NotationType
	a.referring[key] = append(a.referring[key], signature.Blob{MediaType: envelope, Content: content})
	return a
}

func TestNotation(t *testing.T) {
	const jws, cose = "application/jose+json", "application/cose"
	now := time.Now()
	notary, stranger := signaturetest.NewNotary(now), signaturetest.NewNotary(now)
	good := notary.Sign(jws, mediaType, digest, size)
	spoiled := []byte(strings.Replace(string(good), `"signature":"`, `"signature":"AAAA`, 1))
	both := map[string][]byte{"a.crt": notary.PEM(), "b.pem": signaturetest.NewNotary(now).PEM()}
	strict := policy("*", "strict", "*")
	tests := map[string]struct {
		policy  []byte
		store   *attached
		outcome signature.Outcome
		kind    error
	}{
		"JWS":                              {strict, newStore().notation(digest, jws, good), signature.Verified, nil},
		"COSE":                             {strict, newStore().notation(digest, cose, notary.Sign(cose, mediaType, digest, size)), signature.Verified, nil},
		"the second of two":                {strict, newStore().notation(digest, jws, stranger.Sign(jws, mediaType, digest, size)).notation(digest, jws, good), signature.Verified, nil},
		"nothing":                          {strict, newStore(), 0, signature.ErrUnsigned},
		"a stranger":                       {strict, newStore().notation(digest, jws, stranger.Sign(jws, mediaType, digest, size)), 0, signature.ErrInvalid},
		"another digest":                   {strict, newStore().notation(digest, jws, notary.Sign(jws, mediaType, other, size)), 0, signature.ErrInvalid},
		"another size":                     {strict, newStore().notation(digest, jws, notary.Sign(jws, mediaType, digest, size+1)), 0, signature.ErrInvalid},
		"a changed signature":              {strict, newStore().notation(digest, jws, spoiled), 0, signature.ErrInvalid},
		"garbage":                          {strict, newStore().notation(digest, jws, []byte("garbage")), 0, signature.ErrInvalid},
		"another identity":                 {policy("*", "strict", "x509.subject: C=US, ST=WA, O=other"), newStore().notation(digest, jws, good), 0, signature.ErrInvalid},
		"the right identity":               {policy("*", "strict", "x509.subject: C=US, ST=WA, O=test"), newStore().notation(digest, jws, good), signature.Verified, nil},
		"the right scope":                  {policy("registry.test/apps", "strict", "*"), newStore().notation(digest, jws, good), signature.Verified, nil},
		"another scope":                    {policy("registry.test/other", "strict", "*"), newStore().notation(digest, jws, good), 0, signature.ErrInvalid},
		"skipped":                          {policy("*", "skip", "*"), newStore(), signature.Ignored, nil},
		"a stranger, permissively":         {policy("*", "permissive", "*"), newStore().notation(digest, jws, stranger.Sign(jws, mediaType, digest, size)), 0, signature.ErrInvalid},
		"a stranger under audit":           {policy("*", "audit", "*"), newStore().notation(digest, jws, stranger.Sign(jws, mediaType, digest, size)), signature.Ignored, nil},
		"a changed signature, under audit": {policy("*", "audit", "*"), newStore().notation(digest, jws, spoiled), 0, signature.ErrInvalid},
		"too many": {strict, newStore().notation(digest, jws, stranger.Sign(jws, mediaType, digest, size)).
			notation(digest, jws, stranger.Sign(jws, mediaType, digest, size)).notation(digest, jws, stranger.Sign(jws, mediaType, digest, size)).
			notation(digest, jws, good), 0, signature.ErrInvalid},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			verifier, err := signature.Notation(test.policy, both, nobody{})
			if err != nil {
				t.Fatal(err)
			}
			outcome, err := verifier.Verify(t.Context(), test.store, subject)
			if !errors.Is(err, test.kind) || outcome != test.outcome {
				t.Errorf("got %v, %v, want %v, %v", outcome, err, test.outcome, test.kind)
			}
		})
	}
}

func TestUnusablePolicies(t *testing.T) {
	certificates := map[string][]byte{"a.crt": signaturetest.NewNotary(time.Now()).PEM()}
	strict := policy("*", "strict", "*")
	tests := map[string]struct {
		policy       []byte
		certificates map[string][]byte
	}{
		"no policy":           {nil, certificates},
		"not JSON":            {[]byte("{"), certificates},
		"an unknown field":    {[]byte(`{"version":"1.0","more":1}`), certificates},
		"no statements":       {[]byte(`{"version":"1.0","trustPolicies":[]}`), certificates},
		"an unknown level":    {policy("*", "lax", "*"), certificates},
		"an unknown version":  {[]byte(strings.Replace(string(strict), "1.0", "7.0", 1)), certificates},
		"no certificates":     {strict, nil},
		"an empty one":        {strict, map[string][]byte{"a.crt": nil}},
		"not a certificate":   {strict, map[string][]byte{"a.crt": []byte("secret-word")}},
		"a key":               {strict, map[string][]byte{"a.crt": signaturetest.NewKey().PEM()}},
		"one good, one empty": {strict, map[string][]byte{"a.crt": certificates["a.crt"], "b.crt": nil}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := signature.Notation(test.policy, test.certificates, nobody{})
			if !errors.Is(err, signature.ErrTrust) || strings.Contains(err.Error(), "secret-word") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNotationAsksTheStore(t *testing.T) {
	verifier, err := signature.Notation(policy("*", "strict", "*"), map[string][]byte{"a.crt": signaturetest.NewNotary(time.Now()).PEM()}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the registry is broken")
	store := newStore()
	store.err = broken
	if _, err := verifier.Verify(t.Context(), store, subject); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
