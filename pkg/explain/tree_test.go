package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root applies itself, an application and a release.
func root() []string {
	const owner = "metadata labels: {kustomize.toolkit.fluxcd.io/name: root, kustomize.toolkit.fluxcd.io/namespace: apps}"
	return []string{
		repository(owner), deployment("web", "0"), configMap("config"),
		thing("Kustomization", "root", "True ReconciliationSucceeded done", fromRepo, owner, `status lastAppliedRevision: "main@sha1:abc"`,
			"status inventory: {entries: [{id: apps_root_kustomize.toolkit.fluxcd.io_Kustomization, v: v1}, {id: apps_repo_source.toolkit.fluxcd.io_GitRepository, v: v1}, "+
				"{id: apps_app_kustomize.toolkit.fluxcd.io_Kustomization, v: v1}, {id: apps_there_kustomize.toolkit.fluxcd.io_Kustomization, v: v1}]}"),
		thing("Kustomization", "app", "False HealthCheckFailed timeout", fromRepo, owner, "spec path: ./app", `status lastAppliedRevision: "main@sha1:abc"`,
			"status inventory: {entries: [{id: apps_config__ConfigMap, v: v1}, {id: apps_hidden__Secret, v: v1}, {id: apps_web_apps_Deployment, v: v1}, {id: apps_gone_apps_Deployment, v: v1}]}"),
		thing("Kustomization", "there", "True ReconciliationSucceeded done", fromRepo, owner, "spec kubeConfig: {secretRef: {name: other}}",
			"status inventory: {entries: [{id: apps_config__ConfigMap, v: v1}]}"),
	}
}

func TestTree(t *testing.T) {
	w := newWorld(t, root()...)
	w.denied = map[string]bool{"secrets/apps/hidden": true}
	ref, err := Subject("ks/root", "apps", nil)
	if err != nil {
		t.Fatal(err)
	}
	e := New(Config{World: w, May: w.may})
	b, err := e.Tree(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := b.Text(&out); err != nil {
		t.Fatal(err)
	}
	want := `Kustomization/apps/root  main@sha1:abc, Ready
├── Kustomization/apps/root  is above: it applies itself
├── GitRepository/apps/repo  main@sha1:abc, Ready
├── Kustomization/apps/app  main@sha1:abc, Not ready: timeout
│   ├── ConfigMap/apps/config  Current
│   ├── Secret/apps/hidden  you may not see this
│   ├── Deployment/apps/web  InProgress: Available: 0/1
│   └── Deployment/apps/gone  does not exist
└── Kustomization/apps/there  Ready (1 objects on another cluster are not looked at)
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
	ref.Name = "nothing"
	if _, err := e.Tree(t.Context(), ref); err == nil || err.Error() != "Kustomization/apps/nothing does not exist" {
		t.Errorf("got %v", err)
	}
}

func TestTrace(t *testing.T) {
	controlled := func(kind, name, owner, of string) string {
		return fmt.Sprintf("apiVersion: apps/v1\nkind: %s\nmetadata: {name: %s, namespace: apps, ownerReferences: [{apiVersion: apps/v1, kind: %s, name: %s, controller: true, uid: \"1\"}]}\n", kind, name, owner, of)
	}
	foreign := strings.ReplaceAll(configMap("foreign"), "namespace: apps", "namespace: apps, labels: {helm.toolkit.fluxcd.io/name: gone, helm.toolkit.fluxcd.io/namespace: other}")
	stale := strings.ReplaceAll(configMap("stale"), "namespace: apps", "namespace: apps, labels: {kustomize.toolkit.fluxcd.io/name: app, kustomize.toolkit.fluxcd.io/namespace: apps}")
	chart := thing("HelmChart", "apps-web", "True Succeeded done", "metadata labels: {helm.toolkit.fluxcd.io/name: web, helm.toolkit.fluxcd.io/namespace: apps}", "spec sourceRef: {kind: HelmRepository, name: charts}")
	release := thing("HelmRelease", "web", "True InstallSucceeded done", "status helmChart: apps/apps-web", "status lastAttemptedRevision: 1.0.0")
	w := newWorld(t, append(root(), chart, release, controlled("ReplicaSet", "web-1", "Deployment", "web"), controlled("StatefulSet", "pod", "ReplicaSet", "web-1"), foreign, stale)...)
	mapper := kinds{"statefulset": {Group: "apps", Version: "v1", Kind: "StatefulSet"}, "configmap": {Version: "v1", Kind: "ConfigMap"}}
	up := `  applied by  Kustomization/apps/root  at main@sha1:abc, Ready
  source      GitRepository/apps/repo  of https://example.com/repo at main@sha1:abc, Ready
  applied by  Kustomization/apps/root  is above: this is the root
`
	for subject, want := range map[string]string{
		"statefulset/pod": `StatefulSet/apps/pod  InProgress: 
  made by     ReplicaSet/apps/web-1  
  made by     Deployment/apps/web  InProgress: Available: 0/1
  applied by  Kustomization/apps/app  of ./app at main@sha1:abc, Not ready: timeout
  source      GitRepository/apps/repo  of https://example.com/repo at main@sha1:abc, Ready
` + up,
		"configmap/stale": `ConfigMap/apps/stale  Current
  applied by  Kustomization/apps/app  of ./app at main@sha1:abc, Not ready: timeout; its inventory does not list the object (any more)
  source      GitRepository/apps/repo  of https://example.com/repo at main@sha1:abc, Ready
` + up,
		"hc/apps-web": `HelmChart/apps/apps-web  Ready
  applied by  HelmRelease/apps/web  at 1.0.0, Ready; nobody of Flux applied it
  source      HelmChart/apps/apps-web  Ready
  source      HelmRepository/apps/charts  does not exist
`,
		"configmap/config":  "ConfigMap/apps/config  Current; nobody of Flux applied it\n",
		"configmap/foreign": "ConfigMap/apps/foreign  Current\n  applied by  HelmRelease/other/gone  does not exist\n",
	} {
		ref, err := Subject(subject, "apps", mapper)
		if err != nil {
			t.Fatal(err)
		}
		path, err := New(Config{World: w}).Trace(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := path.Text(&out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(health(want), health(out.String())); diff != "" {
			t.Errorf("%s (-want +got): %s", subject, diff)
		}
	}
}

// health takes out what is not a matter of traces: how workloads without a spec do.
func health(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		for _, kind := range []string{"StatefulSet/apps/pod", "ReplicaSet/apps/web-1"} {
			if at := strings.Index(line, kind); at >= 0 {
				lines[i] = line[:at+len(kind)]
			}
		}
	}
	return strings.Join(lines, "\n")
}
