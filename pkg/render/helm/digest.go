package helm

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	yaml2 "go.yaml.in/yaml/v2"
	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// ConfigDigest returns the digest of values, as in status.lastAttemptedConfigDigest and
// the configDigest of a snapshot. It is the hash of them as YAML, in the formatting of
// the second version of that library and with sorted keys; without any values that of
// nothing. The algorithm has to be one that is available.
func ConfigDigest(a digest.Algorithm, values map[string]any) string {
	d := a.Digester()
	writeConfig(d.Hash(), values)
	return d.Digest().String()
}

func writeConfig(w io.Writer, values map[string]any) {
	if len(values) == 0 {
		return
	}
	sorted := yaml.JSONObjectToYAMLObject(values)
	sortKeys(sorted)
	// A hash takes everything, and what is made of JSON can be encoded.
	_ = yaml2.NewEncoder(w).Encode(sorted)
}

// sortKeys sorts the keys of a value at every level, by their bytes.
func sortKeys(value any) {
	switch v := value.(type) {
	case yaml2.MapSlice:
		slices.SortFunc(v, func(a, b yaml2.MapItem) int { return strings.Compare(a.Key.(string), b.Key.(string)) })
		for _, item := range v {
			sortKeys(item.Value)
		}
	case []any:
		for _, item := range v {
			sortKeys(item)
		}
	}
}

// PostRenderersDigest returns the digest of spec.postRenderers, empty if there are none
// at all.
func PostRenderersDigest(a digest.Algorithm, renderers []v2.PostRenderer) string {
	if renderers == nil {
		return ""
	}
	return jsonDigest(a, renderers)
}

// CommonMetadataDigest returns the digest of spec.commonMetadata, empty if there is none.
func CommonMetadataDigest(a digest.Algorithm, common *api.CommonMetadata) string {
	if common == nil {
		return ""
	}
	return jsonDigest(a, common)
}

// jsonDigest hashes a value as JSON, with a line break at its end.
func jsonDigest(a digest.Algorithm, value any) string {
	d := a.Digester()
	_ = json.NewEncoder(d.Hash()).Encode(value) // strings and lists of them
	return d.Digest().String()
}
