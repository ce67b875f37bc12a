package signature

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSCTs = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
	errSCT  = errors.New("no trusted log has promised to log the certificate")
)

// promised checks that one of the trusted logs promised to log a certificate: it holds
// a signed certificate timestamp (RFC 6962, section 3).
func (r *Root) promised(c, issuer *x509.Certificate) error {
	var list cryptobyte.String
	for _, e := range c.Extensions {
		if e.Id.Equal(oidSCTs) {
			outer, octets := cryptobyte.String(e.Value), cryptobyte.String{}
			if !outer.ReadASN1(&octets, cbasn1.OCTET_STRING) || !octets.ReadUint16LengthPrefixed(&list) {
				return errSCT
			}
		}
	}
	logged, err := withoutSCTs(c.RawTBSCertificate)
	if err != nil {
		return err
	}
	for !list.Empty() {
		var one cryptobyte.String
		if !list.ReadUint16LengthPrefixed(&one) {
			return errSCT
		}
		if r.holds(one, logged, issuer) {
			return nil
		}
	}
	return errSCT
}

// holds checks one timestamp over a certificate as it was before timestamps were
// put into it.
func (r *Root) holds(sct cryptobyte.String, logged []byte, issuer *x509.Certificate) bool {
	var version uint8
	var id []byte
	var millis uint64
	var extensions, signature cryptobyte.String
	var algorithm uint16
	ok := sct.ReadUint8(&version) && version == 0 && sct.ReadBytes(&id, sha256.Size) && sct.ReadUint64(&millis) &&
		sct.ReadUint16LengthPrefixed(&extensions) && sct.ReadUint16(&algorithm) && sct.ReadUint16LengthPrefixed(&signature)
	if !ok || millis > 1<<53 {
		return false
	}
	trusted, ok := find(r.certLogs, id, time.UnixMilli(int64(millis)))
	if !ok {
		return false
	}
	issuerKey := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	var b cryptobyte.Builder
	b.AddUint8(0) // version 1
	b.AddUint8(0) // certificate_timestamp
	b.AddUint64(millis)
	b.AddUint16(1) // precert_entry
	b.AddBytes(issuerKey[:])
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(logged) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(extensions) })
	message, err := b.Bytes()
	return err == nil && checkMessage(trusted.key, message, signature) == nil
}

// withoutSCTs returns the signed part of a certificate without the list of timestamps.
func withoutSCTs(tbs []byte) ([]byte, error) {
	malformed := errors.New("the certificate is malformed")
	outer, body := cryptobyte.String(tbs), cryptobyte.String{}
	if !outer.ReadASN1(&body, cbasn1.SEQUENCE) {
		return nil, malformed
	}
	extensionsTag := cbasn1.Tag(3).Constructed().ContextSpecific()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for !body.Empty() {
			var element cryptobyte.String
			var tag cbasn1.Tag
			if !body.ReadAnyASN1Element(&element, &tag) {
				b.SetError(malformed)
				return
			}
			if tag != extensionsTag {
				b.AddBytes(element)
				continue
			}
			b.AddASN1(extensionsTag, func(b *cryptobyte.Builder) { copyExtensions(b, element, malformed) })
		}
	})
	return b.Bytes()
}

// copyExtensions copies all but the list of timestamps.
func copyExtensions(b *cryptobyte.Builder, element cryptobyte.String, malformed error) {
	var inner, all cryptobyte.String
	if !element.ReadASN1(&inner, cbasn1.Tag(3).Constructed().ContextSpecific()) || !inner.ReadASN1(&all, cbasn1.SEQUENCE) {
		b.SetError(malformed)
		return
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for !all.Empty() {
			var one cryptobyte.String
			if !all.ReadASN1Element(&one, cbasn1.SEQUENCE) {
				b.SetError(malformed)
				return
			}
			fields, content, id := one, cryptobyte.String{}, asn1.ObjectIdentifier{}
			if !fields.ReadASN1(&content, cbasn1.SEQUENCE) || !content.ReadASN1ObjectIdentifier(&id) {
				b.SetError(malformed)
				return
			}
			if !id.Equal(oidSCTs) {
				b.AddBytes(one)
			}
		}
	})
}
