package signature

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"time"

	"github.com/notaryproject/tspclient-go"
)

// stamped checks that a trusted timestamp service (RFC 3161) has seen a signature, and
// returns when.
func (r *Root) stamped(raw, signature []byte) (time.Time, error) {
	malformed := errors.New("the timestamp of the signature is malformed")
	var response tspclient.Response
	if err := response.UnmarshalBinary(raw); err != nil {
		return time.Time{}, malformed
	}
	token, err := response.SignedToken()
	if err != nil {
		return time.Time{}, malformed
	}
	info, err := token.Info()
	if err != nil {
		return time.Time{}, malformed
	}
	stamp, err := info.Validate(signature)
	if err != nil {
		return time.Time{}, errors.New("the timestamp is of another signature")
	}
	own := token.Certificates
	for _, service := range r.services {
		if !service.valid.includes(stamp.Value) {
			continue
		}
		// Services may leave their certificates out, as they are known.
		token.Certificates = append(own[:len(own):len(own)], service.chain...)
		roots := x509.NewCertPool()
		roots.AddCert(service.chain[len(service.chain)-1])
		_, err := token.Verify(context.Background(), x509.VerifyOptions{Roots: roots, CurrentTime: stamp.Value})
		if err == nil {
			return stamp.Value, nil
		}
	}
	return time.Time{}, errors.New("the timestamp is not by a trusted service")
}

// parseStamp reads the timestamp in the annotation of a simple signature, if any.
func parseStamp(annotation string) ([][]byte, error) {
	if annotation == "" {
		return nil, nil
	}
	var raw struct {
		Signed []byte `json:"SignedRFC3161Timestamp"`
	}
	if err := json.Unmarshal([]byte(annotation), &raw); err != nil {
		return nil, errors.New("the timestamp of the signature is malformed")
	}
	return [][]byte{raw.Signed}, nil
}
