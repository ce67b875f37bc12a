package signature

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/crl"
	"github.com/notaryproject/notation-core-go/revocation/purpose"
	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/fluxd/fluxd/pkg/transport"
)

const (
	// notationType is the type of the artifacts that hold signatures.
	notationType = "application/vnd.cncf.notary.signature"
	// maxAttempts is how many signatures are looked at, which is Flux's bound.
	maxAttempts = 3
)

// notary follows a trust policy of the Notary Project.
type notary struct{ verifier notation.Verifier }

// Notation returns a verifier for signatures of notation, by a trust policy and
// certificates by name. All the certificates are in every trust store that the
// policy names. Lists of revoked certificates, where the policy wants them, are
// asked for through t. An error is [ErrTrust].
func Notation(policy []byte, certificates map[string][]byte, t http.RoundTripper) (Verifier, error) {
	document, err := parsePolicy(policy)
	if err != nil {
		return nil, fmt.Errorf("%w: the trust policy: %w", ErrTrust, err)
	}
	store, err := parseCertificates(certificates)
	if err != nil {
		return nil, err
	}
	options, err := revocations(t)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTrust, err)
	}
	v, err := verifier.NewWithOptions(document, store, nil, options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTrust, err)
	}
	return notary{v}, nil
}

// parsePolicy reads a trust policy. What a statement that skips the verification says
// besides that is not looked at.
func parsePolicy(raw []byte) (*trustpolicy.Document, error) {
	document := &trustpolicy.Document{}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(document); err != nil {
		return nil, fmt.Errorf("it is not valid JSON of that form: %w", err)
	}
	for i, one := range document.TrustPolicies {
		if one.SignatureVerification.VerificationLevel == trustpolicy.LevelSkip.Name {
			document.TrustPolicies[i].TrustStores, document.TrustPolicies[i].TrustedIdentities = []string{}, []string{}
		}
	}
	return document, nil
}

// certificates is a trust store. It implements [truststore.X509TrustStore].
type certificates []*x509.Certificate

// GetCertificates returns all of them, whatever the store is called.
func (c certificates) GetCertificates(context.Context, truststore.Type, string) ([]*x509.Certificate, error) {
	return c, nil
}

func parseCertificates(files map[string][]byte) (all certificates, err error) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		raw := files[name]
		if block, _ := pem.Decode(raw); block != nil {
			raw = nil
			for rest := files[name]; block != nil; {
				if block, rest = pem.Decode(rest); block != nil {
					raw = append(raw, block.Bytes...)
				}
			}
		}
		parsed, err := x509.ParseCertificates(raw)
		if err != nil || len(parsed) == 0 {
			return nil, fmt.Errorf("%w: %s holds no certificate", ErrTrust, name)
		}
		all = append(all, parsed...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: there is no certificate", ErrTrust)
	}
	return all, nil
}

// revocationTimeout bounds one question whether a certificate was revoked.
const revocationTimeout = 5 * time.Second

// revocations returns what finds out whether certificates were revoked.
func revocations(t http.RoundTripper) (o verifier.VerifierOptions, err error) {
	client := transport.NewClient(t)
	client.Timeout = revocationTimeout
	lists, err := crl.NewHTTPFetcher(client)
	if err != nil {
		return o, err
	}
	validator := func(p purpose.Purpose) (revocation.Validator, error) {
		return revocation.NewWithOptions(revocation.Options{OCSPHTTPClient: client, CRLFetcher: lists, CertChainPurpose: p})
	}
	var failed error
	o.RevocationCodeSigningValidator, err = validator(purpose.CodeSigning)
	o.RevocationTimestampingValidator, failed = validator(purpose.Timestamping)
	return o, errors.Join(err, failed)
}

// Verify implements [Verifier].
func (n notary) Verify(ctx context.Context, s Store, about Subject) (Outcome, error) {
	repository := about.Repository
	if name, ok := strings.CutPrefix(repository, "docker.io/"); ok {
		repository = "index.docker.io/" + name // as policies call it
	}
	attached := &attachments{store: s}
	_, outcomes, err := notation.Verify(ctx, n.verifier, attached, notation.VerifyOptions{
		ArtifactReference: repository + "@" + about.Digest, MaxSignatureAttempts: maxAttempts,
	})
	switch {
	case attached.missed != nil:
		return 0, fmt.Errorf("look for signatures: %w", attached.missed)
	case err != nil:
		return 0, classify(err)
	}
	return satisfied(outcomes)
}

// classify tells a missing signature from one that does not hold.
func classify(err error) error {
	if missing, ok := errors.AsType[notation.SignatureRetrievalFailedError](err); ok {
		return fmt.Errorf("%w: %w", ErrUnsigned, missing)
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

// satisfied says what the outcome of a successful check means: levels below strict let
// signatures pass that are not by anybody who is trusted.
func satisfied(outcomes []*notation.VerificationOutcome) (Outcome, error) {
	if len(outcomes) == 0 {
		return 0, ErrInvalid
	}
	if outcomes[0].VerificationLevel == trustpolicy.LevelSkip {
		return Ignored, nil
	}
	for _, r := range outcomes[0].VerificationResults {
		if r.Error != nil && r.Type == trustpolicy.TypeAuthenticity {
			return Ignored, nil
		}
	}
	return Verified, nil
}

// attachments is a store as notation sees it.
type attachments struct {
	store  Store
	blobs  map[digest.Digest]Blob
	missed error // what the store failed with, of which notation keeps the text alone
}

// Resolve returns the descriptor of a manifest.
func (a *attachments) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	mediaType, size, err := a.store.Describe(ctx, reference)
	if err != nil {
		a.missed = err
		return ocispec.Descriptor{}, err
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(reference), Size: size}, nil
}

// ListSignatures hands the signatures of a manifest to f.
func (a *attachments) ListSignatures(ctx context.Context, d ocispec.Descriptor, f func([]ocispec.Descriptor) error) error {
	blobs, err := a.store.Referring(ctx, d.Digest.String(), notationType)
	if err != nil {
		a.missed = err
		return err
	}
	a.blobs = make(map[digest.Digest]Blob)
	var all []ocispec.Descriptor
	for _, b := range blobs {
		if b.MediaType != jws.MediaTypeEnvelope && b.MediaType != cose.MediaTypeEnvelope {
			continue
		}
		own := ocispec.Descriptor{MediaType: b.MediaType, Digest: digest.FromBytes(b.Content), Size: int64(len(b.Content))}
		a.blobs[own.Digest] = b
		all = append(all, own)
	}
	return f(all)
}

// FetchSignatureBlob returns one of the signatures that were listed.
func (a *attachments) FetchSignatureBlob(_ context.Context, d ocispec.Descriptor) ([]byte, ocispec.Descriptor, error) {
	return a.blobs[d.Digest].Content, d, nil
}

// PushSignature is refused: nothing here signs.
func (a *attachments) PushSignature(context.Context, string, []byte, ocispec.Descriptor, map[string]string) (blob, manifest ocispec.Descriptor, err error) {
	return blob, manifest, errors.ErrUnsupported
}
