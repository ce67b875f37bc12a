package compat

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Words that are not ours to choose: those of Kubernetes' own types, which every
// CRD that uses them repeats.
var foreign = []*regexp.Regexp{
	regexp.MustCompile(`^(apiVersion|kind|metadata)$`),
	regexp.MustCompile(`^status\.conditions\[\]`),
}

func TestEveryPropertyIsDescribed(t *testing.T) {
	for name, manifest := range shipped(t) {
		t.Run(kind(name), func(t *testing.T) {
			t.Parallel()
			n := 0
			for path, words := range descriptions(t, manifest) {
				n++
				if path != "metadata" && len(strings.Fields(words)) < 3 {
					t.Errorf("%s: described as %q", path, words)
				}
			}
			t.Logf("%d properties", n)
		})
	}
}

func TestDescriptionsAreSentences(t *testing.T) {
	for name, manifest := range shipped(t) {
		t.Run(kind(name), func(t *testing.T) {
			t.Parallel()
			for path, words := range descriptions(t, manifest) {
				if !ignored(path) && !strings.HasSuffix(words, ".") {
					t.Errorf("%s: not a sentence: %q", path, words)
				}
			}
		})
	}
}

// No description, and no clause of several words within one, may be the same as a
// published one, wherever it stands.
func TestDescriptionsAreOurOwn(t *testing.T) {
	theirs := make(map[string]bool)
	for _, manifest := range must(t, published) {
		for path, words := range descriptions(t, manifest) {
			if ignored(path) {
				continue
			}
			theirs[plain(words)] = true
			for _, s := range sentences(words) {
				theirs[s] = true
			}
		}
	}
	for name, manifest := range shipped(t) {
		t.Run(kind(name), func(t *testing.T) {
			t.Parallel()
			for path, words := range descriptions(t, manifest) {
				if ignored(path) {
					continue
				}
				for _, s := range append(sentences(words), plain(words)) {
					if theirs[s] {
						t.Errorf("%s: %q is a published sentence", path, s)
					}
				}
			}
		})
	}
}

func ignored(path string) bool {
	return slices.ContainsFunc(foreign, func(r *regexp.Regexp) bool { return r.MatchString(path) })
}

// descriptions returns the words for every property by path, and for the kind
// itself under the empty path.
func descriptions(t *testing.T, manifest []byte) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, v := range definition(t, manifest).Spec.Versions {
		out[""] = v.Schema.OpenAPIV3Schema.Description
		describe(out, "", v.Schema.OpenAPIV3Schema)
	}
	if len(out) < 10 {
		t.Fatalf("only %d properties", len(out))
	}
	return out
}

func describe(out map[string]string, path string, s *apiextensionsv1.JSONSchemaProps) {
	for name, p := range s.Properties {
		at := strings.TrimPrefix(path+"."+name, ".")
		out[at] = p.Description
		describe(out, at, &p)
	}
	if s.Items != nil && s.Items.Schema != nil {
		describeType(out, path+"[]", s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		describeType(out, path+"{}", s.AdditionalProperties.Schema)
	}
}

// describeType adds the words for the elements of a list or map. Scalars need none.
func describeType(out map[string]string, path string, s *apiextensionsv1.JSONSchemaProps) {
	if s.Type == "object" {
		out[path] = s.Description
	}
	describe(out, path, s)
}

var end = regexp.MustCompile(`[.:;!?]\s`)

// sentences cuts words where a sentence or a clause ends. Single words are nobody's.
func sentences(words string) []string {
	var out []string
	for _, s := range end.Split(strings.Join(strings.Fields(words), " ")+" ", -1) {
		if s = plain(s); strings.Contains(s, " ") {
			out = append(out, s)
		}
	}
	return out
}

var noise = regexp.MustCompile(`[^a-z0-9]+`)

// plain leaves nothing but words in lower case.
func plain(words string) string {
	return strings.TrimSpace(noise.ReplaceAllString(strings.ToLower(words), " "))
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
