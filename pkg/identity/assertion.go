package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"
)

// assertion returns a JSON Web Token (RFC 7519), signed with RS256, by which the
// holder of a key says who it is.
func assertion(key *rsa.PrivateKey, header, claims map[string]any) (string, error) {
	header["alg"], header["typ"] = "RS256", "JWT"
	encode := base64.RawURLEncoding.EncodeToString
	var parts [2]string
	for i, part := range []map[string]any{header, claims} {
		data, err := json.Marshal(part)
		if err != nil {
			return "", fmt.Errorf("sign an assertion: %w", err)
		}
		parts[i] = encode(data)
	}
	signed := parts[0] + "." + parts[1]
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign an assertion: %w", err)
	}
	return signed + "." + encode(signature), nil
}

// keyFrom returns the RSA key, and the certificates, of some PEM.
func keyFrom(data []byte) (key *rsa.PrivateKey, chain [][]byte, err error) {
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			chain = append(chain, block.Bytes)
		case "PRIVATE KEY", "RSA PRIVATE KEY":
			if key, err = rsaKey(block.Bytes); err != nil {
				return nil, nil, err
			}
		}
	}
	if key == nil {
		return nil, nil, fmt.Errorf("%w: there is no unencrypted private key in PEM form", ErrConfig)
	}
	return key, chain, nil
}

func rsaKey(der []byte) (*rsa.PrivateKey, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the private key does not parse", ErrConfig)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return nil, fmt.Errorf("%w: the private key is for ECDSA, but it must be for RSA", ErrConfig)
	}
	return nil, fmt.Errorf("%w: the private key is not for RSA", ErrConfig)
}

// certificateAssertion says that an application has a certificate:
// https://learn.microsoft.com/entra/identity-platform/certificate-credentials
func certificateAssertion(tenantURL, client string, data []byte, sendChain bool, now time.Time) (string, error) {
	key, chain, err := keyFrom(data)
	if err != nil {
		return "", err
	}
	own := ownCertificate(key, chain)
	if own == nil {
		return "", fmt.Errorf("%w: there is no certificate of the private key", ErrConfig)
	}
	thumb := sha1.Sum(own) //nolint:gosec // the protocol names certificates so
	header := map[string]any{"x5t": base64.RawURLEncoding.EncodeToString(thumb[:])}
	if sendChain {
		all := []string{base64.StdEncoding.EncodeToString(own)}
		for _, der := range chain {
			if string(der) != string(own) {
				all = append(all, base64.StdEncoding.EncodeToString(der))
			}
		}
		header["x5c"] = all
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return assertion(key, header, map[string]any{
		"aud": tenantURL, "iss": client, "sub": client, "jti": hex.EncodeToString(id),
		"nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(callTimeout + 5*time.Minute).Unix(),
	})
}

// ownCertificate returns that of a key.
func ownCertificate(key *rsa.PrivateKey, chain [][]byte) []byte {
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			continue
		}
		if public, ok := c.PublicKey.(*rsa.PublicKey); ok && public.Equal(&key.PublicKey) {
			return der
		}
	}
	return nil
}
