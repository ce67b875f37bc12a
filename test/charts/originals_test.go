package charts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	action3 "helm.sh/helm/v3/pkg/action"
	loader3 "helm.sh/helm/v3/pkg/chart/loader"
	util3 "helm.sh/helm/v3/pkg/chartutil"
	action4 "helm.sh/helm/v4/pkg/action"
	common4 "helm.sh/helm/v4/pkg/chart/common"
	loader4 "helm.sh/helm/v4/pkg/chart/v2/loader"
	postrenderer4 "helm.sh/helm/v4/pkg/postrenderer"
	release4 "helm.sh/helm/v4/pkg/release/v1"
)

// request is one render, by whomever.
type request struct {
	dir          string
	values       map[string]any
	upgrade      bool
	apiVersions  []string
	postRenderer postrenderer4.PostRenderer
	strategy     action4.PostRenderStrategy
	skipSchema   bool
	// onlyHelm4 is why Helm 3 yields something else, if it does.
	onlyHelm4 string
}

const (
	releaseName = "edge"
	namespace   = "apps"
	kubeVersion = "v1.37.2"
)

// result is what a render yields.
type result struct {
	manifest, notes string
	hooks           []string
	err             error
}

// helm4 renders as helm template of Helm 4 does.
func helm4(r request) result {
	c, err := loader4.LoadDir(r.dir)
	if err != nil {
		return result{err: err}
	}
	kube, err := common4.ParseKubeVersion(kubeVersion)
	if err != nil {
		return result{err: err}
	}
	i := action4.NewInstall(action4.NewConfiguration())
	i.DryRunStrategy, i.ReleaseName, i.Namespace, i.KubeVersion = action4.DryRunClient, releaseName, namespace, kube
	i.APIVersions, i.IsUpgrade, i.SkipSchemaValidation, i.Replace = r.apiVersions, r.upgrade, r.skipSchema, true
	i.PostRenderer, i.PostRenderStrategy = r.postRenderer, r.strategy
	out, err := i.Run(c, clone(r.values))
	if err != nil {
		return result{err: err}
	}
	rel := out.(*release4.Release)
	res := result{manifest: rel.Manifest, notes: rel.Info.Notes}
	for _, h := range rel.Hooks {
		res.hooks = append(res.hooks, fmt.Sprintf("%s %s %d %v %v %v\n%s", h.Path, h.Kind, h.Weight, h.Events, h.DeletePolicies, h.OutputLogPolicies, h.Manifest))
	}
	return res
}

// helm3 renders as helm template of Helm 3 does.
func helm3(r request) result {
	c, err := loader3.LoadDir(r.dir)
	if err != nil {
		return result{err: err}
	}
	kube, err := util3.ParseKubeVersion(kubeVersion)
	if err != nil {
		return result{err: err}
	}
	i := action3.NewInstall(&action3.Configuration{})
	i.DryRun, i.ClientOnly, i.ReleaseName, i.Namespace, i.KubeVersion = true, true, releaseName, namespace, kube
	i.APIVersions, i.IsUpgrade, i.SkipSchemaValidation, i.Replace = r.apiVersions, r.upgrade, r.skipSchema, true
	rel, err := i.Run(c, clone(r.values))
	if err != nil {
		return result{err: err}
	}
	res := result{manifest: rel.Manifest, notes: rel.Info.Notes}
	for _, h := range rel.Hooks {
		res.hooks = append(res.hooks, fmt.Sprintf("%s %s %d %v %v %v\n%s", h.Path, h.Kind, h.Weight, h.Events, h.DeletePolicies, h.OutputLogPolicies, h.Manifest))
	}
	return res
}

// clone copies values, which Helm changes.
func clone(values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for key, value := range values {
		if inner, ok := value.(map[string]any); ok {
			value = clone(inner)
		}
		out[key] = value
	}
	return out
}

// loosened is a result without what Helm 4 does differently on purpose: the space at the
// end of documents, and the order of webhooks, which here is that of the text.
func loosened(r result) result {
	var list []string
	for _, document := range strings.Split("\n"+r.manifest, "\n---\n# Source: ") {
		list = append(list, strings.TrimSpace(document))
	}
	slices.Sort(list)
	out := result{manifest: strings.Join(list, "\n---\n"), notes: r.notes, err: r.err}
	for _, h := range r.hooks {
		out.hooks = append(out.hooks, strings.TrimSpace(h))
	}
	return out
}

// firstDifference says where two texts part.
func firstDifference(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	around := func(lines []string) string {
		return strings.Join(lines[max(0, min(i-4, len(lines))):min(i+4, len(lines))], "\n")
	}
	t.Errorf("%s differ at line %d\n=== here\n%s\n=== Helm\n%s", what, i+1, around(a), around(b))
}
