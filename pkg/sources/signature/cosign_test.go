package signature_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/sources/signature/signaturetest"
)

const (
	digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	other  = "sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7"
)

var subject = signature.Subject{Repository: "registry.test/apps", Digest: digest}

// attached is a store of what was attached to one manifest.
type attached struct {
	tagged    map[string][]signature.Blob
	referring map[string][]signature.Blob
	err       error
}

func newStore() *attached {
	return &attached{tagged: map[string][]signature.Blob{}, referring: map[string][]signature.Blob{}}
}

// mediaType and size are those of the manifest whose digest is above.
const (
	mediaType = "application/vnd.oci.image.manifest.v1+json"
	size      = 5
)

// Describe implements [signature.Store].
func (a *attached) Describe(context.Context, string) (string, int64, error) {
	return mediaType, size, a.err
}

// Tagged implements [signature.Store].
func (a *attached) Tagged(_ context.Context, tag string) ([]signature.Blob, error) {
	return a.tagged[tag], nil
}

// Referring implements [signature.Store].
func (a *attached) Referring(_ context.Context, digest, artifactType string) ([]signature.Blob, error) {
	return a.referring[digest+" "+artifactType], a.err
}

func (a *attached) simple(about string, s signaturetest.Simple) *attached {
	tag := signaturetest.SimpleTag(about)
	a.tagged[tag] = append(a.tagged[tag], signature.Blob{MediaType: signaturetest.SimpleType, Annotations: s.Annotations, Content: s.Content})
	return a
}

func (a *attached) bundle(about string, bundle any) *attached {
	key := about + " " + signaturetest.BundleType
	a.referring[key] = append(a.referring[key], signature.Blob{MediaType: signaturetest.BundleType, Content: signaturetest.JSON(bundle)})
	return a
}

func TestCosignKeys(t *testing.T) {
	key, stranger := signaturetest.NewKey(), signaturetest.NewKey()
	spoiled := key.SignSimple(digest)
	spoiled.Content = append(spoiled.Content, ' ')
	unsigned := key.SignSimple(digest)
	unsigned.Annotations = nil
	moved := key.SignBundle(digest, "")
	moved["dsseEnvelope"].(map[string]any)["payload"] = key.SignBundle(other, "")["dsseEnvelope"].(map[string]any)["payload"]
	message := func(k signaturetest.Key, about string) map[string]any {
		return map[string]any{"mediaType": signaturetest.BundleType, "messageSignature": map[string]any{
			"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": raw(about)},
			"signature":     k.Sign([]byte("hello")), // whose digest it is
		}}
	}
	tests := map[string]struct {
		store *attached
		kind  error
	}{
		"a simple signature":             {newStore().simple(digest, key.SignSimple(digest)), nil},
		"a bundle":                       {newStore().bundle(digest, key.SignBundle(digest, "")), nil},
		"a bundle over the message":      {newStore().bundle(digest, message(key, digest)), nil},
		"the second of two":              {newStore().simple(digest, stranger.SignSimple(digest)).simple(digest, key.SignSimple(digest)), nil},
		"one of each layout":             {newStore().bundle(digest, stranger.SignBundle(digest, "")).simple(digest, key.SignSimple(digest)), nil},
		"nothing":                        {newStore(), signature.ErrUnsigned},
		"another digest is signed":       {newStore().simple(other, key.SignSimple(other)), signature.ErrUnsigned},
		"a copied simple signature":      {newStore().simple(digest, key.SignSimple(other)), signature.ErrInvalid},
		"a copied bundle":                {newStore().bundle(digest, key.SignBundle(other, "")), signature.ErrInvalid},
		"a stranger's signature":         {newStore().simple(digest, stranger.SignSimple(digest)), signature.ErrInvalid},
		"a stranger's bundle":            {newStore().bundle(digest, stranger.SignBundle(digest, "")), signature.ErrInvalid},
		"a stranger's message":           {newStore().bundle(digest, message(stranger, digest)), signature.ErrInvalid},
		"a message over another digest":  {newStore().bundle(digest, message(key, other)), signature.ErrInvalid},
		"a changed payload":              {newStore().simple(digest, spoiled), signature.ErrInvalid},
		"a changed statement":            {newStore().bundle(digest, moved), signature.ErrInvalid},
		"no signature in the annotation": {newStore().simple(digest, unsigned), signature.ErrInvalid},
		"a statement that is no signature": {newStore().bundle(digest, key.SignBundle(digest, "https://slsa.dev/provenance/v1")),
			signature.ErrInvalid},
		"a malformed bundle":  {newStore().bundle(digest, "text"), signature.ErrInvalid},
		"a bundle of nothing": {newStore().bundle(digest, map[string]any{"mediaType": signaturetest.BundleType}), signature.ErrInvalid},
	}
	verifier, err := signature.CosignKeys(map[string][]byte{"a.pub": signaturetest.NewKey().PEM(), "b.pub": key.PEM()})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			outcome, err := verifier.Verify(t.Context(), test.store, subject)
			if !errors.Is(err, test.kind) || outcome != signature.Verified {
				t.Errorf("got %v, %v, want %v", outcome, err, test.kind)
			}
		})
	}
}

func raw(digest string) []byte {
	var b []byte
	_, hex, _ := strings.Cut(digest, ":")
	for i := 0; i < len(hex); i += 2 {
		b = append(b, unhex(hex[i])<<4|unhex(hex[i+1]))
	}
	return b
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

func TestKindsOfKeys(t *testing.T) {
	for name, key := range map[string]signaturetest.Key{
		"ECDSA": signaturetest.NewKey(), "ECDSA P-384": signaturetest.NewP384(),
		"RSA": signaturetest.NewRSA(), "Ed25519": signaturetest.NewEd25519(),
	} {
		t.Run(name, func(t *testing.T) {
			verifier, err := signature.CosignKeys(map[string][]byte{"a.pub": key.PEM()})
			if err != nil {
				t.Fatal(err)
			}
			for _, store := range []*attached{newStore().simple(digest, key.SignSimple(digest)), newStore().bundle(digest, key.SignBundle(digest, ""))} {
				if _, err := verifier.Verify(t.Context(), store, subject); err != nil {
					t.Error(err)
				}
			}
			store := newStore().simple(digest, key.SignSimple(digest))
			b := store.tagged[signaturetest.SimpleTag(digest)][0]
			wrong, err := base64.StdEncoding.DecodeString(b.Annotations["dev.cosignproject.cosign/signature"])
			if err != nil {
				t.Fatal(err)
			}
			wrong[len(wrong)-1] ^= 1
			b.Annotations["dev.cosignproject.cosign/signature"] = base64.StdEncoding.EncodeToString(wrong)
			if _, err := verifier.Verify(t.Context(), store, subject); !errors.Is(err, signature.ErrInvalid) {
				t.Errorf("a changed signature: %v", err)
			}
		})
	}
}

func TestUnusableKeys(t *testing.T) {
	tests := map[string]map[string][]byte{
		"none":          {},
		"empty":         {"a.pub": nil},
		"not PEM":       {"a.pub": []byte("secret-word")},
		"a certificate": {"a.pub": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")},
		"not a key":     {"a.pub": []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")},
		"one of two":    {"a.pub": signaturetest.NewKey().PEM(), "b.pub": []byte("secret-word")},
	}
	for name, pems := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := signature.CosignKeys(pems)
			if !errors.Is(err, signature.ErrTrust) || strings.Contains(err.Error(), "secret-word") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatCouldNotBeSeen(t *testing.T) {
	key := signaturetest.NewKey()
	verifier, err := signature.CosignKeys(map[string][]byte{"a.pub": key.PEM()})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the registry is broken")
	store := newStore()
	store.err = broken
	if _, err := verifier.Verify(t.Context(), store, subject); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	store.simple(digest, key.SignSimple(digest))
	if _, err := verifier.Verify(t.Context(), store, subject); err != nil {
		t.Errorf("one signature is enough, but got %v", err)
	}
}

// reparse returns a bundle as a generic value, to change it.
func reparse(t *testing.T, bundle any) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(signaturetest.JSON(bundle), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
