package charts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	action4 "helm.sh/helm/v4/pkg/action"
	//lint:ignore SA1019 this is what Flux uses
	"sigs.k8s.io/kustomize/api/builtins"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/render/helm"
)

// stock is what Flux has Helm 4 run: a kustomization, then labels and annotations, then
// the labels of the owner, each over the whole stream.
type stock struct{ patches, images string }

func (s stock) Run(in *bytes.Buffer) (*bytes.Buffer, error) {
	fs := filesys.MakeFsInMemory()
	_ = fs.WriteFile("in.yaml", in.Bytes())
	_ = fs.WriteFile("kustomization.yaml", []byte("resources: [in.yaml]\npatches: "+s.patches+"\nimages: "+s.images+"\n"))
	m, err := krusty.MakeKustomizer(&krusty.Options{PluginConfig: types.DisabledPluginConfig()}).Run(fs, ".")
	if err != nil {
		return nil, err
	}
	for _, step := range []resmap.Transformer{
		&builtins.LabelTransformerPlugin{Labels: common.Labels, FieldSpecs: []types.FieldSpec{{Path: "metadata/labels", CreateIfNotPresent: true}}},
		&builtins.AnnotationsTransformerPlugin{Annotations: common.Annotations, FieldSpecs: []types.FieldSpec{{Path: "metadata/annotations", CreateIfNotPresent: true}}},
		&builtins.LabelTransformerPlugin{Labels: owner, FieldSpecs: []types.FieldSpec{{Path: "metadata/labels", CreateIfNotPresent: true}}},
	} {
		text, err := m.AsYaml()
		if err != nil {
			return nil, err
		}
		if m, err = resmap.NewFactory(provider.NewDefaultDepProvider().GetResourceFactory()).NewResMapFromBytes(text); err != nil {
			return nil, err
		}
		if err := step.Transform(m); err != nil {
			return nil, err
		}
	}
	text, err := m.AsYaml()
	return bytes.NewBuffer(text), err
}

var (
	common = &api.CommonMetadata{Labels: map[string]string{"team": "edge", api.LabelHelmReleaseName: "stolen"}, Annotations: map[string]string{"a": "b"}}
	owner  = map[string]string{api.LabelHelmReleaseName: "web", api.LabelHelmReleaseNamespace: "tenant"}
)

const (
	patches = `[{"patch": "[{\"op\": \"add\", \"path\": \"/metadata/annotations/patched\", \"value\": \"yes\"}]", "target": {"kind": "StatefulSet"}},
		{"patch": "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"x\"}, \"spec\": {\"ports\": [{\"port\": 80}]}}", "target": {"kind": "Service", "name": "svc"}}]`
	images = `[{"name": "registry.example.com/fleet", "newTag": "patched"}]`
)

// TestPostRenderers holds what becomes of objects against what Flux has made of them: the
// same objects from the same templates in the same order, in another form of YAML.
func TestPostRenderers(t *testing.T) {
	for _, strategy := range []action4.PostRenderStrategy{action4.PostRenderStrategyCombined, action4.PostRenderStrategySeparate, action4.PostRenderStrategyNoHooks} {
		t.Run(string(strategy), func(t *testing.T) {
			post := helm.PostRender{
				Strategy: v2.PostRenderStrategy(strategy), Common: common, OwnerName: "web", OwnerNamespace: "tenant",
				Renderers: []v2.PostRenderer{{Kustomize: &v2.Kustomize{}}},
			}
			unmarshal(t, patches, &post.Renderers[0].Kustomize.Patches)
			unmarshal(t, images, &post.Renderers[0].Kustomize.Images)
			r := request{
				dir: unpack(t, "testdata/fleet.txt"), values: parse(t, `{tags: {monitoring: false}, replica: {enabled: false}}`),
				postRenderer: stock{strings.ReplaceAll(patches, "\t", " "), images}, strategy: strategy,
			}
			got, want := ours(t, r, post), helm4(r)
			if got.err != nil || want.err != nil {
				t.Fatalf("got %v\nHelm: %v", got.err, want.err)
			}
			if diff := cmp.Diff(objectsOf(t, want), objectsOf(t, got)); diff != "" {
				t.Errorf("-Helm +here: %s", diff)
			}
			r.values = parse(t, `{replica: {enabled: true}}`) // one Service comes from two templates
			if got, want := ours(t, r, post), helm4(r); got.err == nil || want.err == nil {
				t.Errorf("objects that are there twice: got %v\nHelm: %v", got.err, want.err)
			}
		})
	}
}

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// objectsOf returns the objects of a result with their templates, in order, and then the
// hooks.
func objectsOf(t *testing.T, r result) []string {
	t.Helper()
	var out []string
	for _, document := range strings.Split("\n"+r.manifest, "\n---\n# Source: ")[1:] {
		out = append(out, objectOf(t, document))
	}
	for _, h := range r.hooks {
		out = append(out, objectOf(t, h))
	}
	return out
}

func objectOf(t *testing.T, document string) string {
	t.Helper()
	source, text, _ := strings.Cut(document, "\n")
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s: %s", source, data)
}
