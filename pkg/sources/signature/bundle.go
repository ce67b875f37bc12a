package signature

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// bundle is a Sigstore bundle in its JSON form: a signature with what is needed to
// check it.
type bundle struct {
	MediaType string   `json:"mediaType"`
	Material  material `json:"verificationMaterial"`

	Envelope *envelope `json:"dsseEnvelope"`
	Message  *struct {
		Digest struct {
			Algorithm string `json:"algorithm"`
			Digest    []byte `json:"digest"`
		} `json:"messageDigest"`
		Signature []byte `json:"signature"`
	} `json:"messageSignature"`
}

// material is what a bundle has besides the signature.
type material struct {
	Certificate *rawCertificate `json:"certificate"`
	Chain       *struct {
		Certificates []rawCertificate `json:"certificates"`
	} `json:"x509CertificateChain"`
	Entries    []logEntry `json:"tlogEntries"`
	Timestamps struct {
		RFC3161 []struct {
			Signed []byte `json:"signedTimestamp"`
		} `json:"rfc3161Timestamps"`
	} `json:"timestampVerificationData"`
}

type rawCertificate struct {
	Raw []byte `json:"rawBytes"`
}

// envelope is a DSSE envelope.
type envelope struct {
	Payload     []byte `json:"payload"`
	PayloadType string `json:"payloadType"`
	Signatures  []struct {
		Sig []byte `json:"sig"`
	} `json:"signatures"`
}

const (
	inTotoType = "application/vnd.in-toto+json"
	// signPredicate says that a statement is a signature, not a claim about
	// something else.
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
)

func parseBundle(raw []byte) (*bundle, error) {
	b := &bundle{}
	if err := json.Unmarshal(raw, b); err != nil {
		return nil, errors.New("it is not JSON of the form of bundles")
	}
	switch {
	case !strings.HasPrefix(b.MediaType, bundleType):
		return nil, fmt.Errorf("its type is %q", b.MediaType)
	case (b.Envelope == nil) == (b.Message == nil):
		return nil, errors.New("it needs an envelope or a message signature")
	case b.Envelope != nil && len(b.Envelope.Signatures) != 1:
		return nil, errors.New("its envelope does not have exactly one signature")
	}
	return b, nil
}

// about checks that the bundle speaks of a subject.
func (b *bundle) about(s Subject) error {
	if b.Message != nil {
		if b.Message.Digest.Algorithm != "SHA2_256" || !sameDigest(s.Digest, b.Message.Digest.Digest) {
			return errors.New("the bundle is over another digest")
		}
		return nil
	}
	if b.Envelope.PayloadType != inTotoType {
		return fmt.Errorf("the bundle holds %q, not a statement", b.Envelope.PayloadType)
	}
	var statement struct {
		PredicateType string `json:"predicateType"`
		Subject       []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(b.Envelope.Payload, &statement); err != nil {
		return errors.New("the statement of the bundle is malformed")
	}
	if statement.PredicateType != signPredicate {
		return fmt.Errorf("the bundle is no signature but a statement of the type %q", statement.PredicateType)
	}
	algorithm, sum, _ := strings.Cut(s.Digest, ":")
	for _, one := range statement.Subject {
		if got := one.Digest[algorithm]; got != "" && strings.EqualFold(got, sum) {
			return nil
		}
	}
	return errors.New("the bundle is over another digest")
}

// signedBy checks the signature of the bundle.
func (b *bundle) signedBy(key crypto.PublicKey, s Subject) error {
	if b.Envelope != nil {
		return checkMessage(key, b.Envelope.signed(), b.signature())
	}
	_, sum, _ := strings.Cut(s.Digest, ":")
	raw, err := hex.DecodeString(sum)
	if err != nil {
		return errSignature
	}
	return checkSum(key, crypto.SHA256, raw, b.signature())
}

// signature returns the signature itself.
func (b *bundle) signature() []byte {
	if b.Envelope != nil {
		return b.Envelope.Signatures[0].Sig
	}
	return b.Message.Signature
}

// signed returns what the signature of an envelope is over, as the DSSE protocol
// has it.
func (e *envelope) signed() []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(e.Payload), e.Payload)
}

// chain returns the certificates of the bundle, that of the signer first.
func (b *bundle) chain() ([]*x509.Certificate, error) {
	var raws []rawCertificate
	switch {
	case b.Material.Certificate != nil:
		raws = append(raws, *b.Material.Certificate)
	case b.Material.Chain != nil:
		raws = b.Material.Chain.Certificates
	}
	if len(raws) == 0 {
		return nil, errNoCertificate
	}
	var all []*x509.Certificate
	for _, raw := range raws {
		c, err := x509.ParseCertificate(raw.Raw)
		if err != nil {
			return nil, errors.New("a certificate of the bundle is malformed")
		}
		all = append(all, c)
	}
	return all, nil
}

var errNoCertificate = errors.New("the signature was not made keyless: it has no certificate")
