package signaturetest

import (
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidSigned     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidSHA256     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidECDSA      = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidType       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidDigest     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigner     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	algorithmHash = pkix.AlgorithmIdentifier{Algorithm: oidSHA256}
)

// attribute is one of what is signed besides the content.
type attribute struct {
	Type   asn1.ObjectIdentifier
	Values asn1.RawValue
}

func newAttribute(id asn1.ObjectIdentifier, value any) attribute {
	return attribute{id, asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: must(asn1.Marshal(value))}}
}

// stamp returns a response of the timestamp service (RFC 3161) about a signature,
// without certificates.
func (s *Sigstore) stamp(signature []byte) []byte {
	sum := sha256.Sum256(signature)
	info := must(asn1.Marshal(struct {
		Version int
		Policy  asn1.ObjectIdentifier
		Imprint struct {
			Hash pkix.AlgorithmIdentifier
			Sum  []byte
		}
		Serial *big.Int
		Time   time.Time `asn1:"generalized"`
	}{
		Version: 1, Policy: asn1.ObjectIdentifier{1, 2, 3, 4}, Serial: big.NewInt(7), Time: s.Now.UTC(),
		Imprint: struct {
			Hash pkix.AlgorithmIdentifier
			Sum  []byte
		}{algorithmHash, sum[:]},
	}))
	type signerID struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	type signerInfo struct {
		Version    int
		ID         signerID
		Hash       pkix.AlgorithmIdentifier
		Attributes asn1.RawValue
		Algorithm  pkix.AlgorithmIdentifier
		Signature  []byte
	}
	content := sha256.Sum256(info)
	own := sha256.Sum256(s.stamps.certificate.Raw)
	attributes := must(asn1.MarshalWithParams([]attribute{
		newAttribute(oidType, oidData),
		newAttribute(oidDigest, content[:]),
		newAttribute(oidSigner, struct{ Certificates []struct{ Hash []byte } }{[]struct{ Hash []byte }{{own[:]}}}),
	}, "set"))
	unsigned := append([]byte{0xa0}, attributes[1:]...) // as a field it is [0]
	token := struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}{Type: oidSigned}
	token.Content = explicit(must(asn1.Marshal(struct {
		Version int
		Hashes  []pkix.AlgorithmIdentifier `asn1:"set"`
		Inner   struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue
		}
		Signers []signerInfo `asn1:"set"`
	}{
		Version: 3, Hashes: []pkix.AlgorithmIdentifier{algorithmHash},
		Inner: struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue
		}{oidData, explicit(must(asn1.Marshal(info)))},
		Signers: []signerInfo{{
			Version: 1, ID: signerID{asn1.RawValue{FullBytes: s.stamps.certificate.RawIssuer}, s.stamps.certificate.SerialNumber},
			Hash: algorithmHash, Attributes: asn1.RawValue{FullBytes: unsigned},
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidECDSA}, Signature: s.stamps.Sign(attributes),
		}},
	})))
	return must(asn1.Marshal(struct {
		Status struct{ Code int }
		Token  any
	}{Token: token}))
}

// explicit wraps a value in the tag [0].
func explicit(value []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: value}
}
