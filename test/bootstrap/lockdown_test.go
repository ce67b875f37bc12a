package bootstrap

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// lockdownOfFlux are the patches by which the documentation of Flux locks tenants in.
const lockdownOfFlux = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- gotk-components.yaml
- gotk-sync.yaml
patches:
  - patch: |
      - op: add
        path: /spec/template/spec/containers/0/args/-
        value: --no-cross-namespace-refs=true
    target:
      kind: Deployment
      name: "(kustomize-controller|helm-controller|notification-controller|image-reflector-controller|image-automation-controller)"
  - patch: |
      - op: add
        path: /spec/template/spec/containers/0/args/-
        value: --no-remote-bases=true
    target:
      kind: Deployment
      name: "kustomize-controller"
  - patch: |
      - op: add
        path: /spec/template/spec/containers/0/args/-
        value: --default-service-account=default
    target:
      kind: Deployment
      name: "(kustomize-controller|helm-controller)"
`

// accountOfFlux is the patch that goes with it.
const accountOfFlux = `  - patch: |
      - op: add
        path: /spec/serviceAccountName
        value: kustomize-controller
    target:
      kind: Kustomization
      name: "flux-system"
`

// farther is a Kustomization that reads a source of another namespace.
const farther = `apiVersion: v1
kind: Namespace
metadata: {name: tenant}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: far, namespace: tenant}
spec: {interval: 10m, prune: true, path: ./clusters/none, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}
`

// denied waits until the tenant is refused.
func (w *world) denied() {
	w.t.Helper()
	w.wait(harness.Kustomized, "tenant", "far", func(obj *unstructured.Unstructured) bool {
		status, reason, _ := harness.Condition(obj, "Ready")
		return status == "False" && reason == "AccessDenied"
	})
}

// A repository of Flux that locks tenants in does so with fluxd, by the patches that it
// has, which name controllers that are at rest.
func TestLockdownOfFlux(t *testing.T) {
	const dir = edge + "/flux-system/"
	w := newWorld(t, files{
		dir + "gotk-components.yaml": stockComponents(t), dir + "kustomization.yaml": lockdownOfFlux, edge + "/tenant.yaml": farther,
	})
	k := newKeeper(t)

	// One that would lock itself out is not touched.
	head := w.head()
	w.refused(w.overHTTP("--version=v1"), "the branch was not touched", `applied as "default"`, "spec.serviceAccountName")
	w.untouched(head)

	w.commit(files{dir + "kustomization.yaml": lockdownOfFlux + accountOfFlux})
	contains(t, w.fluxd(w.overHTTP("--version=v1")...), "bootstrap finished")
	w.denied()
	out := w.fluxd("check")
	contains(t, out, "checking the Flux controllers", "✔ flux-system/kustomize-controller --no-cross-namespace-refs=true --no-remote-bases=true --default-service-account=default", "all checks passed")

	// A commit that lifts it is applied by the process that it is for, which starts anew.
	processes := k.processes()
	commit := w.commit(files{dir + "kustomization.yaml": strings.Replace(w.file(dir+"kustomization.yaml"), "--no-cross-namespace-refs=true", "--no-cross-namespace-refs=false", 1)})
	w.request()
	w.applied(commit)
	w.wait(harness.Kustomized, "tenant", "far", func(obj *unstructured.Unstructured) bool {
		_, reason, _ := harness.Condition(obj, "Ready")
		return reason != "" && reason != "AccessDenied"
	})
	if now := k.processes(); now != processes+1 {
		t.Errorf("%d processes before the change and %d after it", processes, now)
	}

	// A patch for a controller that is not there is no patch at all.
	text := w.file(dir + "kustomization.yaml")
	w.commit(files{dir + "kustomization.yaml": text + "patchesJson6902: []\n", dir + "gotk-components.yaml": strings.ReplaceAll(stockComponents(t), "kustomize-controller", "source-controller-2")})
	w.refused(w.overHTTP("--version=v1"), "patches for Deployments that are not there", "kustomize-controller")
}

// The profile locks tenants in, and not the Kustomization that all comes from.
func TestLockdownProfile(t *testing.T) {
	w := newWorld(t, files{edge + "/tenant.yaml": farther, edge + "/app.yaml": configMap("app", "1")})
	newKeeper(t)
	contains(t, w.fluxd(w.overHTTP("--version=v1", "--profile=lockdown")...), "bootstrap finished")
	w.denied()
	equal(t, "account", "kustomize-controller", text(w.get(harness.Kustomized, namespace, namespace), "spec", "serviceAccountName"))
	commit := w.commit(files{edge + "/app.yaml": configMap("app", "2")})
	w.request()
	w.applied(commit)
	w.wait(harness.ConfigMaps, "default", "app", harness.Field("2", "data", "key"))

	// It holds until it is taken off.
	head := w.head()
	contains(t, w.fluxd(w.overHTTP("--version=v1")...), "up to date")
	equal(t, "head", head, w.head())
	w.fluxd(w.overHTTP("--version=v1", "--profile=")...)
	w.applied(w.head())
	if args := strings.Join(arguments(w.get(harness.Deployments, namespace, "fluxd")), " "); strings.Contains(args, "--no-cross-namespace-refs") {
		t.Errorf("the lockdown is still there: %s", args)
	}
}

// An upgrade of an installation does not lift its lockdown by the way.
func TestInstallKeepsLockdown(t *testing.T) {
	w := newWorld(t, nil)
	w.fluxd("install", "--version=v1", "--profile=lockdown")
	locked := strings.Join(arguments(w.get(harness.Deployments, namespace, "fluxd")), " ")
	contains(t, locked, "--no-cross-namespace-refs=true", "--no-remote-bases=true", "--default-service-account=default")
	w.refused([]string{"install", "--version=v2"}, "locks tenants in, by --no-cross-namespace-refs=true --no-remote-bases=true --default-service-account=default", "--profile=lockdown")
	equal(t, "arguments", locked, strings.Join(arguments(w.get(harness.Deployments, namespace, "fluxd")), " "))
	contains(t, w.fluxd("install", "--version=v2", "--profile=lockdown"), "Deployment/flux-system/fluxd configured")
	equal(t, "arguments", locked, strings.Join(arguments(w.get(harness.Deployments, namespace, "fluxd")), " "))
	contains(t, w.fluxd("install", "--version=v2", "--force"), "Deployment/flux-system/fluxd configured")
}
