package signature

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
)

// signed is what a log entry must speak of.
type signed struct {
	certificate *x509.Certificate
	signature   []byte
	// sum is the SHA-256 of what was signed: the payload of an envelope, the payload
	// of a simple signature, or the artifact.
	sum []byte
}

// logBody is the content of a log entry, of any of the kinds that are made for
// signatures of artifacts: hashedrekord and dsse, each in its versions 0.0.1 and 0.0.2.
type logBody struct {
	Kind    string `json:"kind"`
	Version string `json:"apiVersion"`
	Spec    struct {
		// hashedrekord 0.0.1
		Data struct {
			Hash hexSum `json:"hash"`
		} `json:"data"`
		Signature struct {
			Content []byte `json:"content"`
			Key     struct {
				Content []byte `json:"content"` // PEM
			} `json:"publicKey"`
		} `json:"signature"`
		// dsse 0.0.1
		PayloadHash hexSum `json:"payloadHash"`
		Signatures  []struct {
			Signature []byte `json:"signature"`
			Verifier  []byte `json:"verifier"` // PEM
		} `json:"signatures"`
		// 0.0.2
		HashedRekord *struct {
			Data      rawSum       `json:"data"`
			Signature rawSignature `json:"signature"`
		} `json:"hashedRekordV002"`
		DSSE *struct {
			PayloadHash rawSum         `json:"payloadHash"`
			Signatures  []rawSignature `json:"signatures"`
		} `json:"dsseV002"`
	} `json:"spec"`
}

type hexSum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}

type rawSum struct {
	Algorithm string `json:"algorithm"`
	Digest    []byte `json:"digest"`
}

type rawSignature struct {
	Content  []byte `json:"content"`
	Verifier struct {
		Certificate rawCertificate `json:"x509Certificate"`
	} `json:"verifier"`
}

var errOtherEntry = errors.New("the log entry is about another signature")

// matches checks that the content of a log entry is about a signature.
func (s signed) matches(body []byte) error {
	var b logBody
	if err := json.Unmarshal(body, &b); err != nil {
		return errors.New("the log entry is malformed")
	}
	ok := false
	switch spec := b.Spec; b.Kind + " " + b.Version {
	case "hashedrekord 0.0.1":
		ok = s.hasHex(spec.Data.Hash) && s.by(spec.Signature.Content, fromPEM(spec.Signature.Key.Content))
	case "dsse 0.0.1":
		for _, one := range spec.Signatures {
			ok = ok || s.hasHex(spec.PayloadHash) && s.by(one.Signature, fromPEM(one.Verifier))
		}
	case "hashedrekord 0.0.2":
		h := spec.HashedRekord
		ok = h != nil && s.has(h.Data) && s.by(h.Signature.Content, h.Signature.Verifier.Certificate.Raw)
	case "dsse 0.0.2":
		if spec.DSSE == nil {
			break
		}
		for _, one := range spec.DSSE.Signatures {
			ok = ok || s.has(spec.DSSE.PayloadHash) && s.by(one.Content, one.Verifier.Certificate.Raw)
		}
	default:
		return errors.New("the log entry is of a kind that is not known")
	}
	if !ok {
		return errOtherEntry
	}
	return nil
}

// by says whether a signature is this one, by the same certificate.
func (s signed) by(signature, certificate []byte) bool {
	return bytes.Equal(signature, s.signature) && bytes.Equal(certificate, s.certificate.Raw)
}

func (s signed) hasHex(sum hexSum) bool {
	raw, err := hex.DecodeString(sum.Value)
	return err == nil && strings.EqualFold(sum.Algorithm, "sha256") && bytes.Equal(raw, s.sum)
}

func (s signed) has(sum rawSum) bool {
	return sum.Algorithm == "SHA2_256" && bytes.Equal(sum.Digest, s.sum)
}

func fromPEM(text []byte) []byte {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	return block.Bytes
}
