package bootstrap

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
)

func TestInstall(t *testing.T) {
	w := newWorld(t, nil)
	contains(t, w.fluxd("check", "--pre"), "✔ Kubernetes 1.37.2", "may install fluxd", "all checks passed")
	w.refused([]string{"check"}, "fluxd is not installed there", "gitrepositories.source.toolkit.fluxcd.io is missing")

	out := w.fluxd("install", "--dry-run")
	contains(t, out, "Deployment/flux-system/fluxd created", "nothing was written")
	if w.get(harness.Namespaces, "", namespace) != nil {
		t.Fatal("a dry run made the namespace")
	}
	contains(t, w.fluxd("install", "--version=v1"), "Deployment/flux-system/fluxd created", "install finished")
	before := w.get(harness.Deployments, namespace, "fluxd").GetResourceVersion()
	out = w.fluxd("install", "--version=v1")
	if strings.Contains(out, "configured") || strings.Contains(out, "created") {
		t.Errorf("the second time changed something:\n%s", out)
	}
	equal(t, "resourceVersion", before, w.get(harness.Deployments, namespace, "fluxd").GetResourceVersion())
	contains(t, w.fluxd("check"), "fluxd: the Deployment is ready", "fluxd/fluxd:v1", "kustomizations.kustomize.toolkit.fluxcd.io/v1", "all checks passed")
	contains(t, w.fluxd("install", "--version=v2", "--dry-run"), "Deployment/flux-system/fluxd configured")
	contains(t, w.fluxd("install", "--version=v2"), "Deployment/flux-system/fluxd configured")
	contains(t, w.fluxd("check"), "fluxd/fluxd:v2")

	contains(t, w.fluxd("uninstall", "--dry-run"), "Namespace/flux-system deleted", "nothing was deleted")
	if w.get(harness.Deployments, namespace, "fluxd") == nil {
		t.Fatal("a dry run deleted the Deployment")
	}
	w.fluxd("uninstall", "--silent", "--keep-namespace")
	if w.get(harness.Namespaces, "", namespace) == nil || w.get(definitions, "", "gitrepositories.source.toolkit.fluxcd.io") != nil {
		t.Error("the namespace went, or a definition stayed")
	}
	w.fluxd("uninstall", "--silent")
	if w.get(harness.Namespaces, "", namespace) != nil {
		t.Error("the namespace stayed")
	}
}
