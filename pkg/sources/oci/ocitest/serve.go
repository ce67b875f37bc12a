package ocitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ServeHTTP implements [http.Handler].
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, req.Method+" "+req.URL.Path)
	intercept := r.intercept
	r.mu.Unlock()
	if intercept != nil && intercept(w, req) {
		return
	}
	if req.URL.Path == tokenPath {
		r.serveToken(w, req)
		return
	}
	if !r.admit(w, req) {
		return
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	repository, kind, reference := repositoryOf(req.URL.Path)
	switch kind {
	case "manifests":
		r.serveManifest(w, req, repository, reference)
	case "blobs":
		r.serveBlob(w, req, reference)
	case "tags":
		r.serveTags(w, req, repository)
	case "referrers":
		r.serveReferrers(w, req, repository, reference)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// fail answers as the distribution specification says errors look.
func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

func (r *Registry) serveManifest(w http.ResponseWriter, req *http.Request, repository, reference string) {
	sum := reference
	if tagged, ok := r.tags[repository][reference]; ok {
		sum = tagged
	}
	m, ok := r.manifests[repository+"@"+sum]
	if !ok {
		fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	w.Header().Set("Content-Type", m.MediaType)
	w.Header().Set("Docker-Content-Digest", sum)
	w.Header().Set("Content-Length", strconv.Itoa(len(m.Raw)))
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(m.Raw))
}

func (r *Registry) serveBlob(w http.ResponseWriter, req *http.Request, sum string) {
	b, ok := r.blobs[sum]
	switch {
	case !ok:
		fail(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
	case r.blobHost != "":
		http.Redirect(w, req, r.blobHost+req.URL.Path+"?signature=of-the-storage", http.StatusTemporaryRedirect)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Docker-Content-Digest", sum)
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(b))
	}
}

func (r *Registry) serveTags(w http.ResponseWriter, req *http.Request, repository string) {
	if r.tags[repository] == nil {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	n, _ := strconv.Atoi(req.URL.Query().Get("n")) // 0 is no bound
	tags, more := r.page(repository, req.URL.Query().Get("last"), n)
	if more {
		w.Header().Set("Link", fmt.Sprintf(`</v2/%s/tags/list?n=%d&last=%s>; rel="next"`, repository, len(tags), tags[len(tags)-1]))
	}
	answer(w, "application/json", map[string]any{"name": repository, "tags": tags})
}

func (r *Registry) serveReferrers(w http.ResponseWriter, req *http.Request, repository, sum string) {
	if r.noAPI {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer(w, ocispec.MediaTypeImageIndex, r.index(repository, sum, req.URL.Query().Get("artifactType")))
}

// index returns the referrers of a manifest.
func (r *Registry) index(repository, sum, artifactType string) ocispec.Index {
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	index.SchemaVersion = 2
	for referrer := range r.referrers[repository+"@"+sum] {
		m := r.manifests[repository+"@"+referrer]
		d := describe(m)
		if artifactType == "" || d.ArtifactType == artifactType {
			index.Manifests = append(index.Manifests, d)
		}
	}
	return index
}

func answer(w http.ResponseWriter, mediaType string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write(raw) // who does not read it does not want it
}

// realm returns the address of the token service.
func (r *Registry) realm() string { return strings.TrimSuffix(r.server.URL, "/") + tokenPath }
