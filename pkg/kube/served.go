package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
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

// Served asks the API server what it serves, whatever was known before.
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
		groups, err := c.Mapper.fetch(ctx, path)
		if err != nil {
			return s, fmt.Errorf("discover what the API server serves: %w", err)
		}
		s.APIVersions = append(s.APIVersions, groups.apiVersions()...)
	}
	slices.Sort(s.APIVersions)
	s.APIVersions = slices.Compact(s.APIVersions)
	return s, nil
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
