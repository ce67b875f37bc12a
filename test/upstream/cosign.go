package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Cosigner signs artifacts as cosign does with a key and no transparency log.
type Cosigner struct {
	// PublicKey is what verifies, in PEM.
	PublicKey []byte
	key       *ecdsa.PrivateKey
}

// NewCosigner makes a key.
func NewCosigner() (*Cosigner, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return &Cosigner{PublicKey: block("PUBLIC KEY", public), key: key}, nil
}

// Sign signs the manifest with a digest and pushes the signature beside it.
func (c *Cosigner) Sign(ctx context.Context, r *Registry, repository, digest string) error {
	payload, err := json.Marshal(map[string]any{
		"critical": map[string]any{
			"identity": map[string]any{"docker-reference": r.Host() + "/" + repository},
			"image":    map[string]any{"docker-manifest-digest": digest},
			"type":     "cosign container image signature",
		},
		"optional": nil,
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, c.key, sum[:])
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	return PushSimple(ctx, r, repository, digest, payload, map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature),
	})
}

// PushSimple pushes a signature of the manifest with a digest to where cosign put them
// before it had bundles.
func PushSimple(ctx context.Context, r *Registry, repository, digest string, payload []byte, annotations map[string]string) error {
	_, err := r.Push(ctx, repository, strings.Replace(digest, ":", "-", 1)+".sig", Artifact{
		Config: Blob{MediaType: "application/vnd.oci.image.config.v1+json", Content: []byte("{}")},
		Layers: []Blob{{
			MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Content: payload, Annotations: annotations,
		}},
	})
	return err
}
