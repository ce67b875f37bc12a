package signaturetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
)

// Key signs.
type Key struct{ crypto.Signer }

// NewKey returns an ECDSA key, as cosign makes them.
func NewKey() Key { return Key{must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))} }

// NewP384 returns an ECDSA key on a larger curve.
func NewP384() Key { return Key{must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))} }

// NewRSA returns an RSA key.
func NewRSA() Key { return Key{must(rsa.GenerateKey(rand.Reader, 2048))} }

// NewEd25519 returns an Ed25519 key.
func NewEd25519() Key {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return Key{must(key, err)}
}

// must is for what cannot fail but for want of random numbers.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// PEM returns the public key.
func (k Key) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(k.Public()))})
}

// Sign signs a message with the hash that is usual for the key.
func (k Key) Sign(message []byte) []byte {
	switch key := k.Public().(type) {
	case ed25519.PublicKey:
		return must(k.Signer.Sign(rand.Reader, message, crypto.Hash(0)))
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P384() {
			sum := sha512.Sum384(message)
			return must(k.Signer.Sign(rand.Reader, sum[:], crypto.SHA384))
		}
	}
	sum := sha256.Sum256(message)
	return must(k.Signer.Sign(rand.Reader, sum[:], crypto.SHA256))
}

// Types of what cosign attaches.
const (
	SimpleType = "application/vnd.dev.cosign.simplesigning.v1+json"
	BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// Simple is a signature as cosign made it before it had bundles: the content of a
// layer and its annotations.
type Simple struct {
	Content     []byte
	Annotations map[string]string
}

// SimpleTag returns the tag under which simple signatures of a digest are.
func SimpleTag(digest string) string { return strings.Replace(digest, ":", "-", 1) + ".sig" }

// SignSimple signs the digest of a manifest.
func (k Key) SignSimple(digest string) Simple {
	content := fmt.Appendf(nil,
		`{"critical":{"identity":{"docker-reference":"registry.test/apps"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`,
		digest)
	return Simple{content, map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(k.Sign(content)),
	}}
}

// PredicateSign is the predicate type of signatures.
const PredicateSign = "https://sigstore.dev/cosign/sign/v1"

// SignBundle signs the digest of a manifest and returns a bundle without anything
// else. The predicate type is that of signatures if empty.
func (k Key) SignBundle(digest, predicate string) map[string]any {
	return map[string]any{
		"mediaType":            BundleType,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "key"}},
		"dsseEnvelope":         k.envelope(digest, predicate),
	}
}

// envelope returns a signed statement about a digest.
func (k Key) envelope(digest, predicate string) map[string]any {
	if predicate == "" {
		predicate = PredicateSign
	}
	algorithm, sum, _ := strings.Cut(digest, ":")
	payload := JSON(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": map[string]any{},
		"subject": []any{map[string]any{"digest": map[string]string{algorithm: sum}}},
	})
	const kind = "application/vnd.in-toto+json"
	signature := k.Sign(fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(payload), payload))
	return map[string]any{
		"payload": payload, "payloadType": kind,
		"signatures": []any{map[string]any{"sig": signature}},
	}
}

// JSON encodes a value that can be encoded.
func JSON(value any) []byte { return must(json.Marshal(value)) }
