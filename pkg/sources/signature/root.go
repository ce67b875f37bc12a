package signature

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Root is what is trusted of a Sigstore instance: its certificate authorities, its
// logs and its timestamp services. Use [ParseRoot].
type Root struct {
	authorities []authority
	services    []authority // of timestamps
	logs        []log       // of signatures
	certLogs    []log
}

// authority is a chain that issues certificates.
type authority struct {
	chain []*x509.Certificate // the root last
	valid period
}

// log is a transparency log.
type log struct {
	id    []byte
	key   crypto.PublicKey
	valid period
}

// period is when something is to be trusted; a nil end is for ever.
type period struct {
	Start *time.Time `json:"start"`
	End   *time.Time `json:"end"`
}

func (p period) includes(t time.Time) bool {
	return (p.Start == nil || !t.Before(*p.Start)) && (p.End == nil || !t.After(*p.End))
}

// rootType begins the types of trusted roots; the version follows.
const rootType = "application/vnd.dev.sigstore.trustedroot"

// rawRoot is a trusted root in its JSON form.
type rawRoot struct {
	MediaType   string         `json:"mediaType"`
	Logs        []rawLog       `json:"tlogs"`
	CertLogs    []rawLog       `json:"ctlogs"`
	Authorities []rawAuthority `json:"certificateAuthorities"`
	Services    []rawAuthority `json:"timestampAuthorities"`
}

type rawLog struct {
	Key struct {
		Raw   []byte `json:"rawBytes"`
		Valid period `json:"validFor"`
	} `json:"publicKey"`
	ID struct {
		Key []byte `json:"keyId"`
	} `json:"logId"`
}

type rawAuthority struct {
	Chain struct {
		Certificates []rawCertificate `json:"certificates"`
	} `json:"certChain"`
	Valid period `json:"validFor"`
}

// ParseRoot reads a trusted_root.json. An error is [ErrTrust].
func ParseRoot(raw []byte) (*Root, error) {
	var parsed rawRoot
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return nil, fmt.Errorf("%w: the trusted root is not valid JSON of that form", ErrTrust)
	}
	if !strings.HasPrefix(parsed.MediaType, rootType) {
		return nil, fmt.Errorf("%w: the trusted root is of the type %q", ErrTrust, parsed.MediaType)
	}
	r := &Root{}
	err := errors.Join(
		parseLogs(parsed.Logs, &r.logs), parseLogs(parsed.CertLogs, &r.certLogs),
		parseAuthorities(parsed.Authorities, &r.authorities), parseAuthorities(parsed.Services, &r.services),
	)
	if err == nil && (len(r.authorities) == 0 || len(r.logs) == 0) {
		err = errors.New("it needs a certificate authority and a transparency log")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the trusted root: %w", ErrTrust, err)
	}
	return r, nil
}

func parseLogs(raw []rawLog, into *[]log) error {
	for _, one := range raw {
		key, err := x509.ParsePKIXPublicKey(one.Key.Raw)
		if err != nil {
			return errors.New("the key of a log is malformed")
		}
		if err := checkKey(key); err != nil {
			return fmt.Errorf("the key of a log: %w", err)
		}
		id := one.ID.Key
		if len(id) == 0 {
			sum := sha256.Sum256(one.Key.Raw)
			id = sum[:]
		}
		*into = append(*into, log{id: id, key: key, valid: one.Key.Valid})
	}
	return nil
}

func parseAuthorities(raw []rawAuthority, into *[]authority) error {
	for _, one := range raw {
		a := authority{valid: one.Valid}
		for _, c := range one.Chain.Certificates {
			parsed, err := x509.ParseCertificate(c.Raw)
			if err != nil {
				return errors.New("the certificate of an authority is malformed")
			}
			a.chain = append(a.chain, parsed)
		}
		if len(a.chain) == 0 {
			return errors.New("an authority has no certificates")
		}
		*into = append(*into, a)
	}
	return nil
}

// verify checks that the authority issued a certificate for a use, and that both were
// good at a time. It returns the chain.
func (a authority) verify(c *x509.Certificate, more []*x509.Certificate, use x509.ExtKeyUsage, at time.Time) ([]*x509.Certificate, error) {
	if !a.valid.includes(at) {
		return nil, errors.New("the authority was not trusted then")
	}
	last := len(a.chain) - 1
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.chain[last])
	for _, one := range append(a.chain[:last:last], more...) {
		between.AddCert(one)
	}
	chains, err := c.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use},
	})
	if err != nil {
		return nil, err
	}
	return chains[0], nil
}

// find returns the log with an id that was trusted at a time.
func find(logs []log, id []byte, at time.Time) (log, bool) {
	for _, one := range logs {
		if bytes.Equal(one.id, id) && one.valid.includes(at) {
			return one, true
		}
	}
	return log{}, false
}
