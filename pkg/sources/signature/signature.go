package signature

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrUnsigned says that there is no signature of the wanted kind.
	ErrUnsigned = errors.New("no signature found")
	// ErrInvalid says that there are signatures, but none holds.
	ErrInvalid = errors.New("no matching signature")
	// ErrTrust says that what is to be trusted is missing or malformed.
	ErrTrust = errors.New("unusable verification material")
)

// Subject is what a signature is about.
type Subject struct {
	// Repository is its name, with the registry.
	Repository string
	// Digest is that of the manifest.
	Digest string
}

// Blob is content that is attached to a manifest.
type Blob struct {
	MediaType   string
	Annotations map[string]string
	Content     []byte
}

// Store finds what is attached to a manifest. A store without any such thing returns
// nothing, and no error.
type Store interface {
	// Describe returns the media type and the size of a manifest.
	Describe(ctx context.Context, digest string) (mediaType string, size int64, err error)
	// Tagged returns the layers of the manifest with a tag.
	Tagged(ctx context.Context, tag string) ([]Blob, error)
	// Referring returns the layers of the manifests of the given type that refer to
	// the manifest with a digest, the annotations of the manifest with them.
	Referring(ctx context.Context, digest, artifactType string) ([]Blob, error)
}

// Outcome says how a check ended that found no fault.
type Outcome int

const (
	// Verified says that a signature holds.
	Verified Outcome = iota
	// Ignored says that the policy does not insist on a valid signature.
	Ignored
)

// Verifier checks whether a subject is signed by somebody who is trusted.
type Verifier interface {
	Verify(ctx context.Context, s Store, about Subject) (Outcome, error)
}

// failures collects why signatures do not hold.
type failures []error

// maxReasons bounds how many of them an error repeats.
const maxReasons = 3

// err returns the error of a check in which nothing held.
func (f failures) err() error {
	if len(f) == 0 {
		return ErrUnsigned
	}
	var reasons []string
	for i, one := range f {
		if i == maxReasons {
			reasons = append(reasons, fmt.Sprintf("and %d more", len(f)-i))
			break
		}
		reasons = append(reasons, one.Error())
	}
	return fmt.Errorf("%w: %s", ErrInvalid, strings.Join(reasons, "; "))
}
