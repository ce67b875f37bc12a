package signature

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// simpleSigning is the type of the layers that cosign signed before it had bundles.
	simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	// bundleType begins the types of Sigstore bundles; the version follows.
	bundleType = "application/vnd.dev.sigstore.bundle"
	// bundleV03 is the type of the artifacts that hold bundles.
	bundleV03 = bundleType + ".v0.3+json"
)

// Annotations of simple signing.
const (
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationChain       = "dev.sigstore.cosign/chain"
	annotationBundle      = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
)

// cosign looks for signatures in both of cosign's layouts and has a judge say
// which of them hold.
type cosign struct{ judge judge }

// judge decides about one signature.
type judge interface {
	// simple judges a signature over a payload that names the digest.
	simple(b Blob, signature []byte) error
	// bundled judges a bundle over the statement about, or of, the digest.
	bundled(b *bundle, about Subject) error
}

// Verify implements [Verifier]. Bundles come first, as they are what cosign makes now.
func (c cosign) Verify(ctx context.Context, s Store, about Subject) (Outcome, error) {
	var failed failures
	bundles, missed := s.Referring(ctx, about.Digest, bundleV03)
	for _, b := range bundles {
		if !strings.HasPrefix(b.MediaType, bundleType) {
			continue
		}
		err := c.bundle(b, about)
		if err == nil {
			return Verified, nil
		}
		failed = append(failed, err)
	}
	layers, err := s.Tagged(ctx, strings.Replace(about.Digest, ":", "-", 1)+".sig")
	if err != nil {
		return 0, fmt.Errorf("look for signatures: %w", err)
	}
	for _, b := range layers {
		if b.MediaType != simpleSigning {
			continue
		}
		err := c.layer(b, about)
		if err == nil {
			return Verified, nil
		}
		failed = append(failed, err)
	}
	if missed != nil { // there may be more than was seen
		return 0, fmt.Errorf("look for bundles: %w", missed)
	}
	return 0, failed.err()
}

func (c cosign) bundle(b Blob, about Subject) error {
	parsed, err := parseBundle(b.Content)
	if err != nil {
		return fmt.Errorf("a bundle is malformed: %w", err)
	}
	if err := parsed.about(about); err != nil {
		return err
	}
	return c.judge.bundled(parsed, about)
}

// layer checks one simple signature.
func (c cosign) layer(b Blob, about Subject) error {
	signature, err := base64.StdEncoding.DecodeString(b.Annotations[annotationSignature])
	if err != nil || len(signature) == 0 {
		return errors.New("a signature is missing or malformed")
	}
	var payload struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
			Type string `json:"type"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(b.Content, &payload); err != nil {
		return errors.New("what was signed is malformed")
	}
	if payload.Critical.Image.Digest != about.Digest {
		return errors.New("the signature is over another digest")
	}
	return c.judge.simple(b, signature)
}

// keys trusts public keys.
type keys []crypto.PublicKey

// CosignKeys returns a verifier for signatures of cosign by any of some public keys, by
// name. Whether they were logged does not matter. An error is [ErrTrust] and names
// the key.
func CosignKeys(pems map[string][]byte) (Verifier, error) {
	var all keys
	for _, name := range slices.Sorted(maps.Keys(pems)) {
		key, err := parseKey(pems[name])
		if err != nil {
			return nil, fmt.Errorf("%w: the public key %s: %w", ErrTrust, name, err)
		}
		all = append(all, key)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: there is no public key", ErrTrust)
	}
	return cosign{all}, nil
}

func (k keys) any(check func(crypto.PublicKey) error) error {
	for _, key := range k {
		if check(key) == nil {
			return nil
		}
	}
	return errSignature
}

func (k keys) simple(b Blob, signature []byte) error {
	return k.any(func(key crypto.PublicKey) error { return checkMessage(key, b.Content, signature) })
}

func (k keys) bundled(b *bundle, about Subject) error {
	return k.any(func(key crypto.PublicKey) error { return b.signedBy(key, about) })
}

// sameDigest compares the hexadecimal part of a digest with bytes.
func sameDigest(digest string, sum []byte) bool {
	_, hex, ok := strings.Cut(digest, ":")
	return ok && strings.EqualFold(hex, fmt.Sprintf("%x", sum)) && len(bytes.TrimSpace(sum)) > 0
}
