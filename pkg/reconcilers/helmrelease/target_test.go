package helmrelease

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

func TestReleaseName(t *testing.T) {
	tests := map[string]struct {
		obj  *v2.HelmRelease
		want string
	}{
		"short":         {object(), "web"},
		"as long as is": {object(func(o *v2.HelmRelease) { o.Name = strings.Repeat("a", 53) }), strings.Repeat("a", 53)},
		"too long": {
			object(func(o *v2.HelmRelease) { o.Name = strings.Repeat("a", 54) }),
			// printf 'a%.0s' {1..54} | sha256sum
			strings.Repeat("a", 40) + "-a3f01b693925",
		},
		"too long with its namespace": {
			object(func(o *v2.HelmRelease) { o.Name, o.Spec.TargetNamespace = strings.Repeat("b", 50), "prod" }),
			"prod-" + strings.Repeat("b", 35) + "-",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := releaseName(test.obj)
			if len(got) > longestName || !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestMoved(t *testing.T) {
	recorded := func(obj *v2.HelmRelease) {
		obj.Status.StorageNamespace = "apps"
		obj.Status.History = v2.Snapshots{shot(1, "deployed")}
	}
	tests := map[string]struct {
		obj   *v2.HelmRelease
		chart string
		want  string
	}{
		"never released":            {object(), "podinfo", ""},
		"where it was":              {object(recorded), "podinfo", ""},
		"without a history":         {object(recorded, with()), "nginx", ""},
		"another storage namespace": {object(recorded, func(o *v2.HelmRelease) { o.Spec.StorageNamespace, o.Spec.TargetNamespace = "s", "t" }), "x", "release storage namespace changed"},
		"another namespace":         {object(recorded, func(o *v2.HelmRelease) { o.Spec.TargetNamespace = "t" }), "x", "release target namespace changed"},
		"another name":              {object(recorded, func(o *v2.HelmRelease) { o.Spec.ReleaseName = "x" }), "x", "release name changed"},
		"another chart":             {object(recorded), "nginx", "chart name changed"},
		"another chart in place": {
			object(recorded, func(o *v2.HelmRelease) {
				o.Spec.Upgrade = &v2.Upgrade{ChartNameChangeStrategy: v2.ChartNameChangeInPlace}
			}), "nginx", "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := moved(test.obj, test.chart); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	obj := object(with(shot(1, "deployed")), attempted(v2.ActionUpgrade, 2), func(o *v2.HelmRelease) { o.Status.StorageNamespace = "apps" })
	forget(obj)
	if s := obj.Status; s.History != nil || s.StorageNamespace != "" || s.Failures != 0 || s.UpgradeFailures != 0 {
		t.Errorf("left: %+v", s)
	}
}

func renderersDigest(list []v2.PostRenderer) string {
	digest, _ := specDigests(object(func(o *v2.HelmRelease) { o.Spec.PostRenderers = list }))
	return digest
}

func metadataDigest(m *api.CommonMetadata) string {
	_, digest := specDigests(object(func(o *v2.HelmRelease) { o.Spec.CommonMetadata = m }))
	return digest
}

// The digests are those that the stock controllers record: a line of JSON, with the
// fields of the types in their order.
func TestDigests(t *testing.T) {
	t.Parallel()
	renderers := []v2.PostRenderer{{Kustomize: &v2.Kustomize{
		Patches: []api.Patch{{Patch: "p", Target: &api.Selector{Group: "apps", Kind: "Deployment", Name: "a<b", LabelSelector: "x=y", AnnotationSelector: "z"}}},
		Images:  []api.Image{{Name: "i", NewName: "n", NewTag: "t", Digest: "sha256:d"}},
	}}}
	tests := map[string]struct{ got, want string }{
		"no post-renderers": {renderersDigest(nil), ""},
		"an empty list":     {renderersDigest([]v2.PostRenderer{}), sha256Line(`[]`)},
		"one without a tool": {
			renderersDigest([]v2.PostRenderer{{}}), sha256Line(`[{}]`),
		},
		"post-renderers": {
			renderersDigest(renderers),
			sha256Line(`[{"kustomize":{"patches":[{"patch":"p","target":{"group":"apps","kind":"Deployment","name":"a\u003cb","annotationSelector":"z","labelSelector":"x=y"}}],"images":[{"name":"i","newName":"n","newTag":"t","digest":"sha256:d"}]}}]`),
		},
		"no metadata":    {metadataDigest(nil), ""},
		"empty metadata": {metadataDigest(&api.CommonMetadata{}), sha256Line(`{}`)},
		"metadata": {
			metadataDigest(&api.CommonMetadata{Labels: map[string]string{"b": "2", "a": "1"}, Annotations: map[string]string{"c": "3"}}),
			sha256Line(`{"annotations":{"c":"3"},"labels":{"a":"1","b":"2"}}`),
		},
	}
	for name, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", name, test.got, test.want)
		}
	}
}
