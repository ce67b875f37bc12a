package ocitest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Registry is a registry on loopback. It holds what was pushed to it.
type Registry struct {
	server *httptest.Server

	mu        sync.Mutex                   // guards the fields below
	manifests map[string]Content           // repository@digest
	tags      map[string]map[string]string // repository -> tag -> digest
	blobs     map[string][]byte            // digest
	referrers map[string]map[string]bool   // repository@digest -> digests of manifests
	requests  []string                     // METHOD path
	intercept func(http.ResponseWriter, *http.Request) bool
	login     login
	pageSize  int
	blobHost  string
	noAPI     bool
}

// Content is a manifest.
type Content struct {
	MediaType string
	Raw       []byte
}

// New starts a registry that speaks plain HTTP.
func New() *Registry {
	r := empty()
	r.server = httptest.NewServer(r)
	return r
}

// NewTLS starts a registry that speaks TLS, with the certificate of [httptest].
func NewTLS() *Registry {
	r := empty()
	r.server = httptest.NewTLSServer(r)
	return r
}

func empty() *Registry {
	return &Registry{
		manifests: make(map[string]Content), tags: make(map[string]map[string]string),
		blobs: make(map[string][]byte), referrers: make(map[string]map[string]bool),
	}
}

// Close stops it, and cuts the connections that are open.
func (r *Registry) Close() {
	r.server.CloseClientConnections()
	r.server.Close()
}

// Server returns the server behind it.
func (r *Registry) Server() *httptest.Server { return r.server }

// Host returns its address, without a scheme.
func (r *Registry) Host() string {
	u, _ := url.Parse(r.server.URL) // it was made by a server
	return u.Host
}

// URL returns the URL of a repository.
func (r *Registry) URL(repository string) string { return "oci://" + r.Host() + "/" + repository }

// Intercept lets f answer requests in place of the registry: those for which it
// returns true. Nil ends that.
func (r *Registry) Intercept(f func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intercept = f
}

// PageSize bounds how many tags a page has, whatever is asked for.
func (r *Registry) PageSize(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pageSize = n
}

// RedirectBlobs has blobs be asked for at another URL, which a registry with the same
// content serves.
func (r *Registry) RedirectBlobs(to *Registry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobHost = to.server.URL
}

// WithoutReferrers makes it a registry that has no referrers API.
func (r *Registry) WithoutReferrers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noAPI = true
}

// Requests returns what was asked for since the last time: METHOD and path.
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.requests
	r.requests = nil
	return all
}

// Copy takes all content of another registry over.
func (r *Registry) Copy(from *Registry) {
	from.mu.Lock()
	defer from.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for sum, b := range from.blobs {
		r.blobs[sum] = b
	}
}

// DigestOf returns the digest of some bytes.
func DigestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// page returns the tags of a repository after one, and whether there are more.
func (r *Registry) page(repository, last string, n int) (tags []string, more bool) {
	for tag := range r.tags[repository] {
		if tag > last {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	if r.pageSize > 0 && (n == 0 || n > r.pageSize) {
		n = r.pageSize
	}
	if n > 0 && len(tags) > n {
		return tags[:n], true
	}
	return tags, false
}

// repositoryOf takes a path of the API apart: /v2/<repository>/<kind>/<reference>.
func repositoryOf(path string) (repository, kind, reference string) {
	rest := strings.TrimPrefix(path, "/v2/")
	for _, kind := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if repository, reference, ok := strings.Cut(rest, kind); ok {
			return repository, strings.Trim(kind, "/"), reference
		}
	}
	return "", "", ""
}
