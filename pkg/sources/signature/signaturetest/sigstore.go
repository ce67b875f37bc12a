package signaturetest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// Sigstore is an instance of Sigstore: an authority, a log of certificates, a log of
// signatures and a timestamp service, all with keys of their own.
type Sigstore struct {
	// Now is the time that all of them go by.
	Now time.Time

	root, authority *issuer
	stamps          *issuer
	certLog, log    Key
	logDER, ctDER   []byte
}

// issuer is a certificate and its key.
type issuer struct {
	Key
	certificate *x509.Certificate
}

// NewSigstore returns an instance.
func NewSigstore(now time.Time) *Sigstore {
	s := &Sigstore{Now: now.Truncate(time.Second), certLog: NewKey(), log: NewKey()}
	s.root = s.issue(nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, 10*365*24*time.Hour)
	s.authority = s.issue(s.root, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}, 5*365*24*time.Hour)
	s.stamps = s.issue(s.root, &x509.Certificate{
		Subject: pkix.Name{CommonName: "timestamps"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{ // must be critical
			Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true,
			Value: must(asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})),
		}},
	}, 5*365*24*time.Hour)
	s.logDER = must(x509.MarshalPKIXPublicKey(s.log.Public()))
	s.ctDER = must(x509.MarshalPKIXPublicKey(s.certLog.Public()))
	return s
}

func (s *Sigstore) issue(by *issuer, template *x509.Certificate, lifetime time.Duration) *issuer {
	own := &issuer{Key: NewKey()}
	template.SerialNumber = must(rand.Int(rand.Reader, big.NewInt(1<<62)))
	template.NotBefore, template.NotAfter = s.Now.Add(-lifetime/2), s.Now.Add(lifetime/2)
	parent, signer := template, own
	if by != nil {
		parent, signer = by.certificate, by
	}
	raw := must(x509.CreateCertificate(rand.Reader, template, parent, own.Public(), signer.Signer))
	own.certificate = must(x509.ParseCertificate(raw))
	return own
}

// Root returns its trusted_root.json as a value that can be changed.
func (s *Sigstore) Root() map[string]any {
	valid := map[string]any{"start": s.Now.Add(-365 * 24 * time.Hour).UTC().Format(time.RFC3339)}
	chain := func(all ...*issuer) map[string]any {
		var certificates []any
		for _, one := range all {
			certificates = append(certificates, map[string]any{"rawBytes": one.certificate.Raw})
		}
		return map[string]any{"certChain": map[string]any{"certificates": certificates}, "validFor": valid}
	}
	log := func(der []byte) map[string]any {
		id := sha256.Sum256(der)
		return map[string]any{
			"baseUrl": "https://log.test", "hashAlgorithm": "SHA2_256",
			"publicKey": map[string]any{"rawBytes": der, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid},
			"logId":     map[string]any{"keyId": id[:]},
		}
	}
	return map[string]any{
		"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs":     []any{log(s.logDER)}, "ctlogs": []any{log(s.ctDER)},
		"certificateAuthorities": []any{chain(s.authority, s.root)},
		"timestampAuthorities":   []any{chain(s.stamps, s.root)},
	}
}

// Signer is somebody with a short-lived certificate.
type Signer struct {
	*issuer
	instance *Sigstore
}

// Options spoil what a signer does.
type Options struct {
	Unpromised bool // no log has promised to list the certificate
	Age        time.Duration
}

// Signer returns a signer with an identity. The issuer is the URL of who vouched for
// it, the subject a URL.
func (s *Sigstore) Signer(issuerURL, subject string, o Options) *Signer {
	now := s.Now.Add(-o.Age)
	own := &issuer{Key: NewKey()}
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))),
		NotBefore:    now.Add(-time.Minute), NotAfter: now.Add(9 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		URIs: []*url.URL{must(url.Parse(subject))},
		ExtraExtensions: []pkix.Extension{{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, Value: must(asn1.MarshalWithParams(issuerURL, "utf8")),
		}},
	}
	create := func() *x509.Certificate {
		raw := must(x509.CreateCertificate(rand.Reader, template, s.authority.certificate, own.Public(), s.authority.Signer))
		return must(x509.ParseCertificate(raw))
	}
	own.certificate = create()
	if !o.Unpromised {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: s.promise(own.certificate.RawTBSCertificate, now),
		})
		own.certificate = create()
	}
	return &Signer{own, s}
}

// promise returns a list with one signed certificate timestamp (RFC 6962).
func (s *Sigstore) promise(tbs []byte, now time.Time) []byte {
	millis := uint64(now.UnixMilli())
	issuerKey := sha256.Sum256(s.authority.certificate.RawSubjectPublicKeyInfo)
	var m cryptobyte.Builder
	m.AddUint16(0)
	m.AddUint64(millis)
	m.AddUint16(1)
	m.AddBytes(issuerKey[:])
	m.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(tbs) })
	m.AddUint16(0)
	id := sha256.Sum256(s.ctDER)
	var list cryptobyte.Builder
	list.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint8(0)
			b.AddBytes(id[:])
			b.AddUint64(millis)
			b.AddUint16(0)
			b.AddUint16(0x0403) // SHA-256 with ECDSA
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.certLog.Sign(m.BytesOrPanic())) })
		})
	})
	return must(asn1.Marshal(list.BytesOrPanic()))
}

// PEM returns the certificate of the signer.
func (s *Signer) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certificate.Raw})
}

// promised returns a signed entry timestamp for the content of a log entry.
func (s *Sigstore) promised(body []byte, at time.Time) (id, signature []byte) {
	sum := sha256.Sum256(s.logDER)
	text := fmt.Appendf(nil, `{"body":%q,"integratedTime":%d,"logID":%q,"logIndex":42}`,
		base64.StdEncoding.EncodeToString(body), at.Unix(), hex.EncodeToString(sum[:]))
	return sum[:], s.log.Sign(text)
}

// SignSimple signs the digest of a manifest as cosign did before it had bundles.
func (s *Signer) SignSimple(digest string) Simple {
	signed := s.Key.SignSimple(digest)
	sum := sha256.Sum256(signed.Content)
	body := JSON(map[string]any{
		"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
			"data": map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
			"signature": map[string]any{
				"content":   signed.Annotations["dev.cosignproject.cosign/signature"],
				"publicKey": map[string]any{"content": s.PEM()},
			},
		},
	})
	id, promise := s.instance.promised(body, s.instance.Now)
	signed.Annotations["dev.sigstore.cosign/certificate"] = string(s.PEM())
	signed.Annotations["dev.sigstore.cosign/bundle"] = string(JSON(map[string]any{
		"SignedEntryTimestamp": promise,
		"Payload": map[string]any{
			"body": body, "integratedTime": s.instance.Now.Unix(), "logIndex": 42, "logID": hex.EncodeToString(id),
		},
	}))
	return signed
}

// SignBundle signs the digest of a manifest and returns a bundle, with a promise and a
// proof of the log, as the first version of the log makes them.
func (s *Signer) SignBundle(digest string) map[string]any {
	envelope := s.envelope(digest, "")
	payload := sha256.Sum256(envelope["payload"].([]byte))
	body := JSON(map[string]any{"apiVersion": "0.0.1", "kind": "dsse", "spec": map[string]any{
		"payloadHash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(payload[:])},
		"signatures":  []any{map[string]any{"signature": signatureOf(envelope), "verifier": s.PEM()}},
	}})
	id, promise := s.instance.promised(body, s.instance.Now)
	entry := s.instance.entry("dsse", "0.0.1", body)
	entry["logId"] = map[string]any{"keyId": id}
	entry["integratedTime"] = fmt.Sprint(s.instance.Now.Unix())
	entry["inclusionPromise"] = map[string]any{"signedEntryTimestamp": promise}
	return s.bundle(envelope, entry)
}

// SignStamped is SignBundle as the second version of the log makes it: it does not
// say when, and a timestamp service does.
func (s *Signer) SignStamped(digest string) map[string]any {
	envelope := s.envelope(digest, "")
	payload := sha256.Sum256(envelope["payload"].([]byte))
	body := JSON(map[string]any{"apiVersion": "0.0.2", "kind": "dsse", "spec": map[string]any{"dsseV002": map[string]any{
		"payloadHash": map[string]any{"algorithm": "SHA2_256", "digest": payload[:]},
		"signatures": []any{map[string]any{
			"content":  signatureOf(envelope),
			"verifier": map[string]any{"x509Certificate": map[string]any{"rawBytes": s.certificate.Raw}},
		}},
	}}})
	b := s.bundle(envelope, s.instance.entry("dsse", "0.0.2", body))
	b["verificationMaterial"].(map[string]any)["timestampVerificationData"] = map[string]any{
		"rfc3161Timestamps": []any{map[string]any{"signedTimestamp": s.instance.stamp(signatureOf(envelope))}},
	}
	return b
}

func (s *Signer) bundle(envelope, entry map[string]any) map[string]any {
	return map[string]any{
		"mediaType": BundleType, "dsseEnvelope": envelope,
		"verificationMaterial": map[string]any{
			"certificate": map[string]any{"rawBytes": s.certificate.Raw}, "tlogEntries": []any{entry},
		},
	}
}

func signatureOf(envelope map[string]any) []byte {
	return envelope["signatures"].([]any)[0].(map[string]any)["sig"].([]byte)
}

// entry returns an entry of the log with the proof that it is the last of three.
func (s *Sigstore) entry(kind, version string, body []byte) map[string]any {
	leaf := sha256.Sum256(append([]byte{0}, body...))
	before := sha256.Sum256([]byte("the two before"))
	root := sha256.Sum256(append(append([]byte{1}, before[:]...), leaf[:]...))
	text := fmt.Sprintf("log.test\n3\n%s\n", base64.StdEncoding.EncodeToString(root[:]))
	id := sha256.Sum256(s.logDER)
	signature := append(id[:4:4], s.log.Sign([]byte(text))...)
	return map[string]any{
		"logIndex": "42", "canonicalizedBody": body, "kindVersion": map[string]any{"kind": kind, "version": version},
		"inclusionProof": map[string]any{
			"logIndex": "2", "treeSize": "3", "rootHash": root[:], "hashes": []any{before[:]},
			"checkpoint": map[string]any{"envelope": text + "\n— log.test " + base64.StdEncoding.EncodeToString(signature) + "\n"},
		},
	}
}
