package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

var (
	// ErrURL says that a URL does not name a repository.
	ErrURL = errors.New("invalid OCI URL")
	// ErrConfig says that the description of what is wanted is unusable as it is.
	ErrConfig = errors.New("invalid configuration")
	// ErrNotFound says that the registry has no such repository, tag, manifest or
	// blob, or none that may be seen.
	ErrNotFound = errors.New("not found")
	// ErrAuth says that the registry refused the credentials, or wants some.
	ErrAuth = errors.New("authentication failed")
	// ErrLayer says that a manifest does not have the wanted layer.
	ErrLayer = errors.New("layer not found")
	// ErrManifest says that a manifest is not one of an image.
	ErrManifest = errors.New("unusable manifest")
	// ErrDigest says that content is not what its digest or size says.
	ErrDigest = errors.New("content does not match its descriptor")
	// ErrTooLarge says that something exceeds a limit.
	ErrTooLarge = errors.New("too large")
	// ErrTimeout says that the registry was too slow.
	ErrTimeout = errors.New("timed out")
)

// explain classifies an error of the wire and takes what is secret out of its
// text.
func (r *Repository) explain(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	kind := classify(ctx, err)
	text := r.redact(bare(err))
	switch {
	case errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case kind == nil:
		return fmt.Errorf("%s: %w", doing, &opaque{text, err})
	case strings.Contains(text, kind.Error()):
		return fmt.Errorf("%s: %w", doing, &opaque{text, errors.Join(kind, err)})
	}
	return fmt.Errorf("%s: %w", doing, &opaque{kind.Error() + ": " + text, errors.Join(kind, err)})
}

// classify returns the error of this package that err amounts to, nil if none.
func classify(ctx context.Context, err error) error {
	for _, own := range []error{ErrURL, ErrConfig, ErrNotFound, ErrAuth, ErrLayer, ErrManifest, ErrDigest, ErrTooLarge} {
		if errors.Is(err, own) {
			return own
		}
	}
	response, answered := errors.AsType[*errcode.ErrorResponse](err)
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case answered && (response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden):
		return ErrAuth
	case answered && response.StatusCode == http.StatusNotFound, errors.Is(err, errdef.ErrNotFound):
		return ErrNotFound
	case errors.Is(err, errdef.ErrSizeExceedsLimit), errors.Is(err, errdef.ErrTooManyPages),
		errors.Is(err, artifacts.ErrLimit), errors.Is(err, artifacts.ErrNoHeadroom):
		return ErrTooLarge
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded), ok && timeout.Timeout():
		return ErrTimeout
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrDigest
	}
	return nil
}

// maxErrorText bounds what is repeated of an error, much of which a registry
// can choose.
const maxErrorText = 1 << 10

// bare returns the text of an error without the address that a request was
// redirected to.
func bare(err error) string {
	if response, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		text := http.StatusText(response.StatusCode)
		if len(response.Errors) > 0 {
			text = response.Errors.Error()
		}
		return fmt.Sprintf("the registry answers %d: %s", response.StatusCode, text)
	}
	broken, ok := errors.AsType[*url.Error](err)
	switch {
	case ok && errors.Is(broken.Err, io.EOF):
		return "the connection was closed before the answer"
	case ok:
		return broken.Err.Error()
	}
	return err.Error()
}

// queries finds the query strings and user information of URLs.
var queries = regexp.MustCompile(`(https?://)([^\s"'/@]*@)?([^\s"'?#]*)(\?[^\s"']*)?`)

// redact removes every credential from a text.
func (r *Repository) redact(text string) string {
	text = queries.ReplaceAllString(text, "$1$3")
	for _, secret := range r.options.Keychain.secrets() {
		text = strings.ReplaceAll(text, secret, "*****")
	}
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "..."
	}
	return text
}

// opaque shows a cleaned text and still unwraps.
type opaque struct {
	text string
	err  error
}

func (o *opaque) Error() string { return o.text }
func (o *opaque) Unwrap() error { return o.err }
