package helm

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

const emptyDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestConfigDigest(t *testing.T) {
	long := strings.Repeat("word ", 40)
	cases := map[string]struct {
		values map[string]any
		want   string
		yaml   string // what the digest is of
	}{
		"nothing":       {nil, emptyDigest, ""},
		"no values":     {map[string]any{}, emptyDigest, ""},
		"one number":    {map[string]any{"replicaCount": float64(2)}, "sha256:e15c415d62760896bd8bec192a44c5716dc224db9e0fc609b9ac14718f8f9e56", "replicaCount: 2\n"},
		"as an integer": {map[string]any{"replicaCount": int64(2)}, "sha256:e15c415d62760896bd8bec192a44c5716dc224db9e0fc609b9ac14718f8f9e56", "replicaCount: 2\n"},
		"of every kind": {
			map[string]any{
				"replicas": 3, "image": map[string]any{"tag": "latest", "repository": "nginx"},
				"ports": []any{map[string]any{"protocol": "TCP", "port": 8080}, map[string]any{"port": 9090, "protocol": "UDP"}},
			},
			"sha256:fcdc2b0de1581a3633ada4afee3f918f6eaa5b5ab38c3fef03d5b48d3f85d9f6",
			"image:\n  repository: nginx\n  tag: latest\nports:\n- port: 8080\n  protocol: TCP\n- port: 9090\n  protocol: UDP\nreplicas: 3\n",
		},
		"keys that look like numbers": {
			map[string]any{"replicas": 3, "test": map[string]any{
				"632bd80235a05f4192aefade": "value1", "632bd80ddf416cf32fd50679": "value2",
				"632bd817c559818a52307da2": "value3", "632bd82398e71231a98004b6": "value4",
			}},
			"sha256:8a980fcbeadd6f05818f07e8aec14070c22250ca3d96af1fcd5f93b3e85b4d70", "",
		},
		"long lines are folded":   {map[string]any{"a": long}, "", "a: '" + strings.TrimSpace(strings.Repeat("word ", 15)) + "\n"},
		"quotes and empty things": {map[string]any{"y": "y", "n": nil, "m": map[string]any{}, "l": []any{}, "f": 1.5, "d": "2020-01-01"}, "", "d: \"2020-01-01\"\nf: 1.5\nl: []\nm: {}\n\"n\": null\n\"y\": \"y\"\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := ConfigDigest(digest.SHA256, c.values)
			if c.want != "" && got != c.want {
				t.Errorf("got %s", got)
			}
			var text strings.Builder
			writeConfig(&text, c.values)
			if c.yaml != "" && !strings.HasPrefix(text.String(), strings.TrimSuffix(c.yaml, "\n")) {
				t.Errorf("digested %q", text.String())
			}
			if ConfigDigest(digest.SHA256, c.values) != got || ConfigDigest(digest.SHA256, map[string]any{"other": 1}) == got {
				t.Error("the digest is not that of the values, or of others too")
			}
		})
	}
	if got := ConfigDigest(digest.SHA512, nil); !strings.HasPrefix(got, "sha512:cf83e1357eefb8bd") {
		t.Errorf("got %s", got)
	}
}

// The digests of what is in specs are those of their JSON with a line break behind it.
func TestSpecDigests(t *testing.T) {
	renderers := []v2.PostRenderer{{Kustomize: &v2.Kustomize{
		Patches: []api.Patch{{Patch: "<p>", Target: &api.Selector{Kind: "Deployment", Name: "a"}}}, Images: []api.Image{{Name: "n", NewTag: "t"}},
	}}, {}}
	want := digest.FromString(`[{"kustomize":{"patches":[{"patch":"\u003cp\u003e","target":{"kind":"Deployment","name":"a"}}],"images":[{"name":"n","newTag":"t"}]}},{}]` + "\n")
	if got := PostRenderersDigest(digest.SHA256, renderers); got != want.String() {
		t.Errorf("post-renderers: got %s, want %s", got, want)
	}
	want = digest.FromString(`{"annotations":{"a":"1"},"labels":{"b":"2"}}` + "\n")
	if got := CommonMetadataDigest(digest.SHA256, &api.CommonMetadata{Labels: map[string]string{"b": "2"}, Annotations: map[string]string{"a": "1"}}); got != want.String() {
		t.Errorf("common metadata: got %s, want %s", got, want)
	}
	if PostRenderersDigest(digest.SHA256, nil) != "" || CommonMetadataDigest(digest.SHA256, nil) != "" {
		t.Error("nothing has a digest")
	}
}

func TestMutateVersion(t *testing.T) {
	const sum = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	cases := map[string]struct{ version, revision, want, digest, err string }{
		"a tag that is a version":      {"1.2.3", "1.2.3@" + sum, "1.2.3+0123456789ab", sum, ""},
		"with a v":                     {"v1.2.3", "1.2.3@" + sum, "1.2.3+0123456789ab", sum, ""},
		"with a v on the tag":          {"1.2.3", "v1.2.3@" + sum, "1.2.3+0123456789ab", sum, ""},
		"with metadata":                {"1.2.3+x", "1.2.3_x@" + sum, "1.2.3+0123456789ab", sum, ""},
		"with other metadata":          {"1.2.3+x", "1.2.3_y@" + sum, "1.2.3+0123456789ab", sum, ""},
		"a prerelease":                 {"1.2.3-rc.1", "1.2.3-rc.1@" + sum, "1.2.3-rc.1+0123456789ab", sum, ""},
		"another tag":                  {"1.2.3", "latest@" + sum, "1.2.3+0123456789ab", "latest@" + sum, ""},
		"a digest alone":               {"1.2.3", sum, "1.2.3+0123456789ab", sum, ""},
		"another version":              {"1.2.3", "1.2.4@" + sum, "", "", "artifact revision 1.2.4 does not match chart version 1.2.3"},
		"a version without a digest":   {"1.2.3", "1.2.3", "", "", "artifact revision 1.2.3 does not match chart version 1.2.3"},
		"a chart without a version":    {"x", sum, "", "", "invalid chart version x"},
		"no digest":                    {"1.2.3", "latest", "", "", "invalid artifact revision latest"},
		"a digest that is too short":   {"1.2.3", "sha256:0123", "", "", "invalid artifact revision sha256:0123"},
		"too many colons":              {"1.2.3", "a:b:0123456789abcdef", "", "", "invalid artifact revision a:b:0123456789abcdef"},
		"a digest that is no metadata": {"1.2.3", "sha256:0123456789/_$", "", "", "invalid artifact revision sha256:0123456789/_$"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, sum, err := MutateVersion(c.version, c.revision, true)
			if got != c.want || sum != c.digest || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("got %q, %q, %v", got, sum, err)
			}
			if kept, again, err := MutateVersion(c.version, c.revision, false); err == nil && (kept != c.version || again != c.digest) {
				t.Errorf("untracked: got %q, %q", kept, again)
			}
		})
	}
}
