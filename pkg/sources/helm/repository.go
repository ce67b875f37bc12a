package helm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/transport"
)

var (
	// ErrURL says that the URL of a repository is none that can be fetched from.
	ErrURL = errors.New("not the URL of a Helm repository")
	// ErrScheme says that a URL has a scheme that nothing here speaks.
	ErrScheme = errors.New("unsupported scheme")
)

// StatusError is an answer of a server that is not the wanted one.
type StatusError struct {
	// URL is where it came from, without what might be a secret in it.
	URL  string
	Code int
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("GET %s: %d %s", e.URL, e.Code, http.StatusText(e.Code))
}

// Unauthorized says whether an error is about credentials or certificates: who we
// are to the server, or who it is to us.
func Unauthorized(err error) bool {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.Code == http.StatusUnauthorized
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	return untrusted || alert || notTLS
}

// Access is how to reach a repository.
type Access struct {
	URL string
	// Username and Password are for basic authentication; both empty is none.
	Username, Password string
	// PassCredentials sends them to whatever host the index or a redirect names.
	// Otherwise only the scheme, host and port of URL get them.
	PassCredentials bool
	// IndexBytes is how long the index may be; 50 MiB if zero.
	IndexBytes int64
	// Memory is charged with what is downloaded, and with the rare index that has to
	// be parsed whole. The caller leaves it. Nil is without bounds.
	Memory *artifacts.Share
}

// Repository is a Helm repository that speaks HTTP. The time of its methods is
// bounded by their context.
type Repository struct {
	access Access
	base   *url.URL
	client *http.Client
}

// NewRepository returns a repository that is reached through t.
func NewRepository(a Access, t http.RoundTripper) (*Repository, error) {
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: %q", ErrURL, bareURL(u))
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%w %q", ErrScheme, u.Scheme)
	}
	r := &Repository{access: a, base: u, client: transport.NewClient(t)}
	if a.PassCredentials {
		check := r.client.CheckRedirect
		r.client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
			err := check(req, via)
			r.authenticate(req)
			return err
		}
	}
	return r, nil
}

// URL returns the URL that the repository was made with.
func (r *Repository) URL() string { return r.access.URL }

// bareURL returns a URL without what might be a secret in it.
func bareURL(u *url.URL) string {
	if u == nil {
		return "<unparsable>"
	}
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return bare.String()
}

// indexURL returns where the index is. A query of the base stays.
func (r *Repository) indexURL() *url.URL {
	u := *r.base
	u.Path, u.RawPath = path.Join("/", u.Path, "index.yaml"), ""
	if r.base.RawPath != "" {
		u.RawPath = path.Join("/", r.base.RawPath, "index.yaml")
	}
	return &u
}

// chartURL returns where the archive of a release is: its URL, which may be
// relative to the repository and then gets the query of that.
func (r *Repository) chartURL(ref string) (*url.URL, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("%w: its URL does not parse", ErrEntry)
	}
	if u.IsAbs() {
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("%w: its URL has an %w %q", ErrEntry, ErrScheme, u.Scheme)
		}
		return u, nil
	}
	base := *r.base
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	if base.RawPath != "" {
		base.RawPath = strings.TrimSuffix(base.RawPath, "/") + "/"
	}
	resolved := base.ResolveReference(u)
	resolved.RawQuery = base.RawQuery
	return resolved, nil
}

func (r *Repository) authenticate(req *http.Request) {
	if r.access.Username == "" && r.access.Password == "" {
		return
	}
	if r.access.PassCredentials || transport.SameOrigin(r.base, req.URL) {
		req.SetBasicAuth(r.access.Username, r.access.Password)
	}
}

// get sends a request. Any answer that is neither 200 nor among the accepted is a
// [StatusError]. Errors show neither queries nor credentials.
func (r *Repository) get(ctx context.Context, u *url.URL, header http.Header, accepted ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", bareURL(u), errors.Unwrap(err))
	}
	for key, values := range header {
		req.Header[key] = values
	}
	req.Header.Set("User-Agent", "fluxd")
	r.authenticate(req)
	res, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", bareURL(u), transport.Bare(err))
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	for _, code := range accepted {
		if res.StatusCode == code {
			return res, nil
		}
	}
	_ = res.Body.Close() // nobody reads it
	return nil, &StatusError{URL: bareURL(u), Code: res.StatusCode}
}
