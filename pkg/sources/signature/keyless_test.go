package signature_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/sources/signature/signaturetest"
)

const (
	issuer = "https://token.actions.example"
	person = "https://github.example/team/apps/.github/workflows/release.yaml@refs/tags/v1"
)

// at follows the steps into a value that was decoded from JSON.
func at(v any, steps ...any) any {
	for _, step := range steps {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}

// edit returns a changed copy of a bundle: the value at the steps is set, or removed
// if it is nil.
func edit(t *testing.T, bundle any, value any, steps ...any) map[string]any {
	t.Helper()
	changed := reparse(t, bundle)
	last := len(steps) - 1
	m := at(changed, steps[:last]...).(map[string]any)
	if value == nil {
		delete(m, steps[last].(string))
	} else {
		m[steps[last].(string)] = value
	}
	return changed
}

func trust(t *testing.T, root any, identities ...signature.Identity) signature.Verifier {
	t.Helper()
	parsed, err := signature.ParseRoot(signaturetest.JSON(root))
	if err != nil {
		t.Fatal(err)
	}
	v, err := signature.CosignKeyless(parsed, identities)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestKeyless(t *testing.T) {
	now := time.Now()
	instance, other := signaturetest.NewSigstore(now), signaturetest.NewSigstore(now)
	signer := instance.Signer(issuer, person, signaturetest.Options{})
	old := instance.Signer(issuer, person, signaturetest.Options{Age: time.Hour})
	unpromised := instance.Signer(issuer, person, signaturetest.Options{Unpromised: true})
	stranger := other.Signer(issuer, person, signaturetest.Options{})
	bundle, stamped := signer.SignBundle(digest), signer.SignStamped(digest)
	entry := []any{"verificationMaterial", "tlogEntries", 0}
	in := func(more ...any) []any { return append(append([]any{}, entry...), more...) }
	unlogged := signer.SignSimple(digest)
	delete(unlogged.Annotations, "dev.sigstore.cosign/bundle")
	relogged := signer.SignSimple(digest)
	relogged.Annotations["dev.sigstore.cosign/bundle"] = signer.SignSimple(digest).Annotations["dev.sigstore.cosign/bundle"]
	later := signer.SignSimple(digest)
	later.Annotations["dev.sigstore.cosign/bundle"] = strings.Replace(later.Annotations["dev.sigstore.cosign/bundle"], `"logIndex":42`, `"logIndex":43`, 1)

	tests := map[string]struct {
		store *attached
		ok    bool
	}{
		"a simple signature":                    {newStore().simple(digest, signer.SignSimple(digest)), true},
		"a bundle":                              {newStore().bundle(digest, bundle), true},
		"a bundle with a timestamp":             {newStore().bundle(digest, stamped), true},
		"only the promise":                      {newStore().bundle(digest, edit(t, bundle, nil, in("inclusionProof")...)), true},
		"of another instance":                   {newStore().simple(digest, stranger.SignSimple(digest)), false},
		"a bundle of another instance":          {newStore().bundle(digest, stranger.SignBundle(digest)), false},
		"a timestamp of another instance":       {newStore().bundle(digest, edit(t, stamped, at(reparse(t, stranger.SignStamped(digest)), "verificationMaterial", "timestampVerificationData"), "verificationMaterial", "timestampVerificationData")), false},
		"over another digest":                   {newStore().bundle(digest, signer.SignBundle("sha256:"+strings.Repeat("0", 64))), false},
		"an expired certificate":                {newStore().simple(digest, old.SignSimple(digest)), false},
		"an expired certificate in a bundle":    {newStore().bundle(digest, old.SignBundle(digest)), false},
		"an expired certificate, stamped":       {newStore().bundle(digest, old.SignStamped(digest)), false},
		"a certificate that no log promised":    {newStore().bundle(digest, unpromised.SignBundle(digest)), false},
		"not in the log":                        {newStore().simple(digest, unlogged), false},
		"no log entries":                        {newStore().bundle(digest, edit(t, bundle, []any{}, "verificationMaterial", "tlogEntries")), false},
		"neither promise nor proof":             {newStore().bundle(digest, edit(t, edit(t, bundle, nil, in("inclusionProof")...), nil, in("inclusionPromise")...)), false},
		"the log entry of another signature":    {newStore().simple(digest, relogged), false},
		"a bundle's entry of another signature": {newStore().bundle(digest, edit(t, bundle, at(reparse(t, signer.SignBundle(digest)), "verificationMaterial", "tlogEntries"), "verificationMaterial", "tlogEntries")), false},
		"an index that the log did not sign":    {newStore().simple(digest, later), false},
		"a time that the log did not sign":      {newStore().bundle(digest, edit(t, bundle, "1", in("integratedTime")...)), false},
		"another place in the tree":             {newStore().bundle(digest, edit(t, bundle, "1", in("inclusionProof", "logIndex")...)), false},
		"a place outside the tree":              {newStore().bundle(digest, edit(t, bundle, "3", in("inclusionProof", "logIndex")...)), false},
		"another size of the tree":              {newStore().bundle(digest, edit(t, bundle, "4", in("inclusionProof", "treeSize")...)), false},
		"a shorter proof":                       {newStore().bundle(digest, edit(t, bundle, []any{}, in("inclusionProof", "hashes")...)), false},
		"a head without signature":              {newStore().bundle(digest, edit(t, bundle, "log.test\n3\nAAAA\n\n", in("inclusionProof", "checkpoint", "envelope")...)), false},
		"a head that is none":                   {newStore().bundle(digest, edit(t, bundle, "", in("inclusionProof", "checkpoint", "envelope")...)), false},
		"nobody says when":                      {newStore().bundle(digest, edit(t, stamped, nil, "verificationMaterial", "timestampVerificationData")), false},
		"a malformed timestamp":                 {newStore().bundle(digest, edit(t, stamped, map[string]any{"rfc3161Timestamps": []any{map[string]any{"signedTimestamp": "AAAA"}}}, "verificationMaterial", "timestampVerificationData")), false},
		"the timestamp of another signature":    {newStore().bundle(digest, edit(t, stamped, at(reparse(t, signer.SignStamped(digest)), "verificationMaterial", "timestampVerificationData"), "verificationMaterial", "timestampVerificationData")), false},
		"by a key alone":                        {newStore().bundle(digest, signaturetest.NewKey().SignBundle(digest, "")), false},
		"a malformed certificate":               {newStore().bundle(digest, edit(t, bundle, "AAAA", "verificationMaterial", "certificate", "rawBytes")), false},
	}
	verifier := trust(t, instance.Root(), signature.Identity{Issuer: "^" + issuer + "$", Subject: "^https://github.example/team/.*$"})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := verifier.Verify(t.Context(), test.store, subject)
			if test.ok && err != nil || !test.ok && !errors.Is(err, signature.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestIdentities(t *testing.T) {
	instance := signaturetest.NewSigstore(time.Now())
	store := newStore().bundle(digest, instance.Signer(issuer, person, signaturetest.Options{}).SignBundle(digest))
	tests := map[string]struct {
		identities []signature.Identity
		ok         bool
	}{
		"anybody":                  {nil, true},
		"both match":               {[]signature.Identity{{Issuer: issuer, Subject: "team/apps"}}, true},
		"one of two":               {[]signature.Identity{{Issuer: "x", Subject: "x"}, {Issuer: issuer, Subject: person}}, true},
		"another issuer":           {[]signature.Identity{{Issuer: "^https://accounts.example$", Subject: ".*"}}, false},
		"another subject":          {[]signature.Identity{{Issuer: ".*", Subject: "^https://github.example/other/"}}, false},
		"one part of each of both": {[]signature.Identity{{Issuer: issuer, Subject: "^other$"}, {Issuer: "^other$", Subject: person}}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := trust(t, instance.Root(), test.identities...).Verify(t.Context(), store, subject)
			if test.ok != (err == nil) {
				t.Errorf("got %v", err)
			}
		})
	}
	root, err := signature.ParseRoot(signaturetest.JSON(instance.Root()))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []signature.Identity{{Issuer: "("}, {Subject: "("}} {
		if _, err := signature.CosignKeyless(root, []signature.Identity{bad}); !errors.Is(err, signature.ErrTrust) {
			t.Errorf("%v: got %v", bad, err)
		}
	}
}

func TestRoots(t *testing.T) {
	instance := signaturetest.NewSigstore(time.Now())
	store := newStore().bundle(digest, instance.Signer(issuer, person, signaturetest.Options{}).SignBundle(digest))
	stamped := newStore().bundle(digest, instance.Signer(issuer, person, signaturetest.Options{}).SignStamped(digest))
	past := map[string]any{"start": "2001-01-01T00:00:00Z", "end": "2002-01-01T00:00:00Z"}
	tests := map[string]map[string]any{
		"an authority that is not trusted any more": edit(t, instance.Root(), past, "certificateAuthorities", 0, "validFor"),
		"a log that is not trusted any more":        edit(t, instance.Root(), past, "tlogs", 0, "publicKey", "validFor"),
		"a log of certificates that is not":         edit(t, instance.Root(), past, "ctlogs", 0, "publicKey", "validFor"),
		"no log of certificates":                    edit(t, instance.Root(), []any{}, "ctlogs"),
		"the log of another":                        edit(t, instance.Root(), signaturetest.NewSigstore(time.Now()).Root()["tlogs"], "tlogs"),
	}
	for name, root := range tests {
		t.Run(name, func(t *testing.T) {
			for _, store := range []*attached{store, stamped} {
				if _, err := trust(t, root).Verify(t.Context(), store, subject); !errors.Is(err, signature.ErrInvalid) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	for name, raw := range map[string][]byte{
		"empty":             nil,
		"not JSON":          []byte("{"),
		"another type":      []byte(`{"mediaType":"text/plain"}`),
		"nothing in it":     []byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`),
		"a malformed key":   signaturetest.JSON(edit(t, instance.Root(), "AAAA", "tlogs", 0, "publicKey", "rawBytes")),
		"a malformed chain": signaturetest.JSON(edit(t, instance.Root(), "AAAA", "certificateAuthorities", 0, "certChain", "certificates", 0, "rawBytes")),
	} {
		if _, err := signature.ParseRoot(raw); !errors.Is(err, signature.ErrTrust) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
