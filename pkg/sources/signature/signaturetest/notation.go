package signaturetest

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"

	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/signer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// NotationType is the type of the artifacts that hold signatures of notation.
const NotationType = "application/vnd.cncf.notary.signature"

// Notary signs as notation does.
type Notary struct {
	root, own *issuer
}

// NewNotary returns a signer with a certificate that is good at a time.
func NewNotary(now time.Time) *Notary {
	n := &Notary{root: &issuer{Key: NewKey()}, own: &issuer{Key: NewKey()}}
	n.root.certificate = n.root.create(nil, &x509.Certificate{
		Subject: name("root"), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, MaxPathLen: 1,
	}, now)
	n.own.certificate = n.own.create(n.root, &x509.Certificate{
		Subject: name("signer"), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}, now)
	return n
}

func name(common string) pkix.Name {
	return pkix.Name{CommonName: common, Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"test"}}
}

func (i *issuer) create(by *issuer, template *x509.Certificate, now time.Time) *x509.Certificate {
	template.SerialNumber = must(rand.Int(rand.Reader, big.NewInt(1<<62)))
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
	parent, key := template, i
	if by != nil {
		parent, key = by.certificate, by
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, i.Public(), key.Signer))))
}

// PEM returns the certificate that is to be trusted.
func (n *Notary) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: n.root.certificate.Raw})
}

// Sign signs the descriptor of a manifest. The media type of the signature is
// application/jose+json or application/cose.
func (n *Notary) Sign(mediaType, manifestType, sum string, size int64) []byte {
	s := must(signer.NewGenericSigner(n.own.Signer, []*x509.Certificate{n.own.certificate, n.root.certificate}))
	envelope, _, err := s.Sign(context.Background(), ocispec.Descriptor{
		MediaType: manifestType, Digest: digest.Digest(sum), Size: size,
	}, notation.SignerSignOptions{SignatureMediaType: mediaType})
	return must(envelope, err)
}
