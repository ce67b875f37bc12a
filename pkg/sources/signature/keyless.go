package signature

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Identity describes who may have signed: regular expressions, found anywhere, for the
// issuer of the identity and for its subject. Both must match.
type Identity struct{ Issuer, Subject string }

// keyless trusts the certificates of a Sigstore instance that are made out to certain
// identities.
type keyless struct {
	root       *Root
	identities []identity
}

type identity struct{ issuer, subject *regexp.Regexp }

// CosignKeyless returns a verifier for signatures of cosign by any of the identities,
// or by anybody at all if there are none. An error is [ErrTrust].
//
// A signature holds if its certificate was issued by a trusted authority to one of
// the identities, a trusted log of certificates promised to list it, and the
// signature is in a trusted log of signatures; and if the certificate was good
// when, as that log or a trusted timestamp service vouches, the signature was made.
func CosignKeyless(root *Root, identities []Identity) (Verifier, error) {
	k := keyless{root: root}
	for i, one := range identities {
		issuer, err := regexp.Compile(one.Issuer)
		if err != nil {
			return nil, fmt.Errorf("%w: the issuer of identity %d: %w", ErrTrust, i+1, err)
		}
		subject, err := regexp.Compile(one.Subject)
		if err != nil {
			return nil, fmt.Errorf("%w: the subject of identity %d: %w", ErrTrust, i+1, err)
		}
		k.identities = append(k.identities, identity{issuer, subject})
	}
	return cosign{k}, nil
}

func (k keyless) simple(b Blob, signature []byte) error {
	certificates, err := parseChain(b.Annotations[annotationCertificate] + "\n" + b.Annotations[annotationChain])
	if err != nil {
		return err
	}
	entry, err := parseSimple(b.Annotations[annotationBundle])
	if err != nil {
		return err
	}
	stamps, err := parseStamp(b.Annotations[annotationTimestamp])
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b.Content)
	s := signed{certificates[0], signature, sum[:]}
	if err := checkMessage(s.certificate.PublicKey, b.Content, signature); err != nil {
		return err
	}
	return k.check(s, certificates[1:], []logEntry{entry}, stamps)
}

func (k keyless) bundled(b *bundle, about Subject) error {
	certificates, err := b.chain()
	if err != nil {
		return err
	}
	s := signed{certificate: certificates[0], signature: b.signature()}
	if b.Envelope != nil {
		sum := sha256.Sum256(b.Envelope.Payload)
		s.sum = sum[:]
	} else {
		_, sum, _ := strings.Cut(about.Digest, ":")
		if s.sum, err = hex.DecodeString(sum); err != nil {
			return err
		}
	}
	if err := b.signedBy(s.certificate.PublicKey, about); err != nil {
		return err
	}
	var stamps [][]byte
	for _, one := range b.Material.Timestamps.RFC3161 {
		stamps = append(stamps, one.Signed)
	}
	return k.check(s, certificates[1:], b.Material.Entries, stamps)
}

// maxProofs bounds how many log entries and timestamps of one signature are looked at.
const maxProofs = 8

// check decides about a signature that is by its certificate.
func (k keyless) check(s signed, more []*x509.Certificate, entries []logEntry, stamps [][]byte) error {
	if len(entries) > maxProofs || len(stamps) > maxProofs {
		return errors.New("the signature has too many log entries or timestamps")
	}
	if err := k.expected(s.certificate); err != nil {
		return err
	}
	logs, times, err := k.times(s, entries)
	if err != nil {
		return err
	}
	for _, stamp := range stamps {
		at, err := k.root.stamped(stamp, s.signature)
		if err != nil {
			return err
		}
		times = append(times, at)
	}
	if len(times) == 0 {
		return errors.New("nobody who is trusted says when the signature was made")
	}
	for _, at := range times {
		if slices.ContainsFunc(logs, func(p period) bool { return !p.includes(at) }) {
			return errLog
		}
		if err := k.issued(s.certificate, more, at); err != nil {
			return err
		}
	}
	return nil
}

// times checks that the signature is in a log and returns when it got there, as far as
// that is known, and when the logs are to be trusted. An entry that does not hold spoils
// the rest.
func (k keyless) times(s signed, entries []logEntry) (logs []period, times []time.Time, err error) {
	if len(entries) == 0 {
		return nil, nil, errLog
	}
	for _, e := range entries {
		valid, at, err := k.root.logged(e)
		if err != nil {
			return nil, nil, err
		}
		if err := s.matches(e.Body); err != nil {
			return nil, nil, err
		}
		logs = append(logs, valid)
		if !at.IsZero() {
			times = append(times, at)
		}
	}
	return logs, times, nil
}

// issued checks that a trusted authority issued the certificate, which was good at a
// time, and that it was promised to be logged.
func (k keyless) issued(c *x509.Certificate, more []*x509.Certificate, at time.Time) error {
	// Some names of signers are of a form that this library does not know.
	checked := *c
	checked.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), func(id asn1.ObjectIdentifier) bool {
		return id.Equal(oidSAN)
	})
	err := errors.New("there is no authority")
	for _, a := range k.root.authorities {
		var chain []*x509.Certificate
		if chain, err = a.verify(&checked, more, x509.ExtKeyUsageCodeSigning, at); err != nil {
			continue
		}
		if len(chain) < 2 {
			err = errors.New("an authority cannot sign")
			continue
		}
		return k.root.promised(c, chain[1])
	}
	return fmt.Errorf("the certificate was not issued by a trusted authority: %w", err)
}

// expected checks to whom the certificate was issued.
func (k keyless) expected(c *x509.Certificate) error {
	if len(k.identities) == 0 {
		return nil
	}
	issuer, subjects := issuerOf(c), subjectsOf(c)
	for _, one := range k.identities {
		if one.issuer.MatchString(issuer) && slices.ContainsFunc(subjects, one.subject.MatchString) {
			return nil
		}
	}
	return fmt.Errorf("none of the identities matches the subject %q of the issuer %q", strings.Join(subjects, ", "), issuer)
}

// Extensions of Fulcio's certificates.
var (
	oidSAN       = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIssuer    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1} // as it is
	oidIssuerV2  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8} // as an ASN.1 string
	oidOtherName = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}
)

// issuerOf returns who vouched for the identity in a certificate.
func issuerOf(c *x509.Certificate) string {
	issuer := ""
	for _, e := range c.Extensions {
		switch {
		case e.Id.Equal(oidIssuerV2):
			value, text := cryptobyte.String(e.Value), cryptobyte.String{}
			if value.ReadASN1(&text, cbasn1.UTF8String) {
				return string(text)
			}
		case e.Id.Equal(oidIssuer):
			issuer = string(e.Value)
		}
	}
	return issuer
}

// subjectsOf returns the names in a certificate.
func subjectsOf(c *x509.Certificate) []string {
	all := slices.Concat(c.EmailAddresses, c.DNSNames)
	for _, u := range c.URIs {
		all = append(all, u.String())
	}
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	for _, e := range c.Extensions {
		if e.Id.Equal(oidSAN) {
			all = append(all, otherNames(e.Value)...)
		}
	}
	return all
}

// otherNames returns the names of the form that Fulcio uses where no other fits.
func otherNames(san cryptobyte.String) (all []string) {
	var names cryptobyte.String
	if !san.ReadASN1(&names, cbasn1.SEQUENCE) {
		return nil
	}
	for !names.Empty() {
		var name, value, text cryptobyte.String
		var tag cbasn1.Tag
		var id asn1.ObjectIdentifier
		zero := cbasn1.Tag(0).Constructed().ContextSpecific()
		if !names.ReadAnyASN1(&name, &tag) {
			return all
		}
		if tag == zero && name.ReadASN1ObjectIdentifier(&id) && id.Equal(oidOtherName) &&
			name.ReadASN1(&value, zero) && value.ReadASN1(&text, cbasn1.UTF8String) {
			all = append(all, string(text))
		}
	}
	return all
}

// parseChain reads certificates in PEM form.
func parseChain(text string) (all []*x509.Certificate, err error) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("the certificate of the signature is malformed")
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errNoCertificate
	}
	return all, nil
}
