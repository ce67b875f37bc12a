package charts

import (
	"fmt"
	"os"
	"slices"
	"testing"

	util3 "helm.sh/helm/v3/pkg/chartutil"

	"github.com/fluxd/fluxd/pkg/render/helm"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

var renderer = helm.NewRenderer(kustomize.New(kustomize.Config{NoRemoteBases: true}))

// ours renders with fluxd.
func ours(t *testing.T, r request, post helm.PostRender) result {
	t.Helper()
	c, err := helm.NewCharts(helm.ChartOptions{}).Load(t.Context(), "sha256:"+r.dir, os.DirFS(r.dir), nil)
	if err != nil {
		return result{err: err}
	}
	out, err := renderer.Render(t.Context(), helm.Input{
		Chart: c, Values: r.values, Name: releaseName, Namespace: namespace, Revision: 1, Upgrade: r.upgrade,
		Capabilities: helm.Capabilities{KubeVersion: kubeVersion, APIVersions: slices.Concat(util3.DefaultVersionSet, r.apiVersions)},
		SkipSchema:   r.skipSchema, PostRender: post,
	})
	if err != nil {
		return result{err: err}
	}
	res := result{manifest: out.Manifest, notes: out.Notes}
	for _, h := range out.Hooks {
		res.hooks = append(res.hooks, fmt.Sprintf("%s %s %d %v %v %v\n%s", h.Path, h.Kind, h.Weight, h.Events, h.DeletePolicies, h.OutputLogPolicies, h.Manifest))
	}
	return res
}

// compare holds a render against both versions of Helm: to the byte against the one whose
// rules hold here, and against the older one but for what the newer does on purpose.
func compare(t *testing.T, r request) {
	t.Helper()
	got, four := ours(t, r, helm.PostRender{}), helm4(r)
	if (got.err == nil) != (four.err == nil) {
		t.Fatalf("got the error %v\nwant that of Helm 4: %v", got.err, four.err)
	}
	if got.err != nil {
		t.Logf("both refuse it: %v", got.err)
		return
	}
	same(t, "Helm 4: ", got, four)
	if r.onlyHelm4 != "" {
		t.Logf("not held against Helm 3: %s", r.onlyHelm4)
		return
	}
	three := helm3(r)
	if three.err != nil {
		t.Fatalf("Helm 3 refuses it: %v", three.err)
	}
	same(t, "Helm 3: ", loosened(got), loosened(three))
	t.Logf("%d bytes of manifests, %d hooks", len(got.manifest), len(got.hooks))
}

func same(t *testing.T, who string, got, want result) {
	t.Helper()
	firstDifference(t, who+"manifests", got.manifest, want.manifest)
	firstDifference(t, who+"notes", got.notes, want.notes)
	if len(got.hooks) != len(want.hooks) {
		t.Fatalf("%s%d hooks, want %d", who, len(got.hooks), len(want.hooks))
	}
	for i := range got.hooks {
		firstDifference(t, who+"hooks", got.hooks[i], want.hooks[i])
	}
}
