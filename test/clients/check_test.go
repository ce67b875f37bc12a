package clients

import "testing"

func TestCheck(t *testing.T) {
	w := newFluxWorld(t, nil)
	says(t, w.flux("check", "--pre"), "✔ Kubernetes 1.", "✔ prerequisites checks passed")

	out := w.flux("check", "--namespace="+namespace)
	says(t, out, "✔ distribution: flux-v2.9.", "✔ bootstrapped: false", "✔ fluxd: deployment ready", "► fluxd/fluxd:dev", "✔ all checks passed")
	for _, crd := range []string{
		"buckets.source.toolkit.fluxcd.io/v1", "externalartifacts.source.toolkit.fluxcd.io/v1", "gitrepositories.source.toolkit.fluxcd.io/v1",
		"helmcharts.source.toolkit.fluxcd.io/v1", "helmreleases.helm.toolkit.fluxcd.io/v2", "helmrepositories.source.toolkit.fluxcd.io/v1",
		"kustomizations.kustomize.toolkit.fluxcd.io/v1", "ocirepositories.source.toolkit.fluxcd.io/v1",
	} {
		says(t, out, "✔ "+crd)
	}

	// In a namespace without fluxd there is nothing to find.
	says(t, w.refused("check"), "✗ no controllers found in the '"+w.Namespace+"' namespace", "✗ check failed")
}

func TestVersion(t *testing.T) {
	w := newFluxWorld(t, nil)
	says(t, w.flux("version", "--namespace="+namespace), "flux: v2.", "distribution: flux-v2.9.", "fluxd: dev")
	says(t, w.flux("version", "-o", "json", "--namespace="+namespace), `"fluxd": "dev"`)
}

// The command line installs Flux on a cluster that has fluxd only if somebody says yes.
func TestInstallAsks(t *testing.T) {
	w := newFluxWorld(t, nil)
	out := w.refused("install", "--namespace="+namespace)
	says(t, out, "has been installed on this cluster with fluxd", "Are you sure you want to override the fluxd installation")
	if got := w.Kubectl("-n", namespace, "get", "deployments", "-o", "name"); got != "deployment.apps/fluxd" {
		t.Errorf("Deployments: %s", got)
	}
}
