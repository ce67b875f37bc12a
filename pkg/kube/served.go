package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Served is what an API server says of itself.
type Served struct {
	// Version is its version, such as v1.37.2, and Major and Minor are how it tells
	// the parts of that.
	Version, Major, Minor string
	// APIVersions are the group versions that it serves, v1 and apps/v1, and each with
	// each of its kinds, apps/v1/Deployment; sorted.
	APIVersions []string
}

// served remembers the last answers of discovery. The API server is asked every time;
// that it has nothing new is a short answer.
type served struct {
	mu      sync.Mutex // guards answers
	answers map[string]answer
}

type answer struct {
	etag     string
	versions []string
}

// mostDiscovery is how many bytes an answer of discovery may have.
const mostDiscovery = 64 << 20

// Served asks the API server what it serves.
func (c *Clients) Served(ctx context.Context) (Served, error) {
	var s Served
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	body, err := c.Mapper.client.Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return s, fmt.Errorf("ask the API server for its version: %w", err)
	}
	var version struct {
		GitVersion string `json:"gitVersion"`
		Major      string `json:"major"`
		Minor      string `json:"minor"`
	}
	if err := json.Unmarshal(body, &version); err != nil {
		return s, fmt.Errorf("ask the API server for its version: %w", err)
	}
	s.Version, s.Major, s.Minor = version.GitVersion, version.Major, version.Minor
	for _, path := range []string{"/api", "/apis"} {
		versions, err := c.Mapper.versions(ctx, path)
		if err != nil {
			return s, fmt.Errorf("discover what the API server serves: %w", err)
		}
		s.APIVersions = append(s.APIVersions, versions...)
	}
	slices.Sort(s.APIVersions)
	s.APIVersions = slices.Compact(s.APIVersions)
	return s, nil
}

// versions returns the group versions below a path, and each with each of its kinds.
func (m *Mapper) versions(ctx context.Context, path string) ([]string, error) {
	m.served.mu.Lock()
	known := m.served.answers[path]
	m.served.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.client.Get().AbsPath(path).URL().String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", aggregated)
	if known.etag != "" {
		req.Header.Set("If-None-Match", known.etag)
	}
	client, ok := m.client.(*rest.RESTClient)
	if !ok {
		return nil, fmt.Errorf("%T is no client that can be asked", m.client)
	}
	res, err := client.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	switch res.StatusCode {
	case http.StatusNotModified:
		return known.versions, nil
	case http.StatusOK:
	default:
		return nil, apierrors.NewGenericServerResponse(res.StatusCode, "get", schema.GroupResource{}, path, "", 0, false)
	}
	var groups groupDiscovery
	if err := json.NewDecoder(io.LimitReader(res.Body, mostDiscovery)).Decode(&groups); err != nil {
		return nil, err
	}
	now := answer{etag: res.Header.Get("ETag"), versions: groups.apiVersions()}
	m.served.mu.Lock()
	defer m.served.mu.Unlock()
	if m.served.answers == nil {
		m.served.answers = make(map[string]answer)
	}
	m.served.answers[path] = now
	return now.versions, nil
}

func (d groupDiscovery) apiVersions() []string {
	var out []string
	for _, group := range d.Items {
		for _, version := range group.Versions {
			gv := schema.GroupVersion{Group: group.Metadata.Name, Version: version.Version}.String()
			out = append(out, gv)
			for _, r := range version.Resources {
				if kind := r.ResponseKind.Kind; kind != "" {
					out = append(out, gv+"/"+kind)
				}
			}
		}
	}
	return out
}
