package clients

import (
	"strings"
	"testing"
)

// Events of an object and of what it refers to.
func TestEvents(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "1")})
	watched := w.watch("events", "--for", "Kustomization", "--watch")
	w.git("repo")
	w.kustomization("app", "repo", "./app")
	w.Wait(kustomizations, "app", ready)
	watched.until("Normal", "ReconciliationSucceeded", "Kustomization/app", "Reconciliation finished")

	out := w.flux("events", "--for", "Kustomization/app")
	says(t, out, "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")
	for _, line := range []string{"NewArtifact", "GitRepository/repo", "Progressing", "ConfigMap/" + w.Namespace + "/config created", "ReconciliationSucceeded", "Kustomization/app"} {
		says(t, out, line)
	}
	lacks(t, w.flux("events", "--for", "GitRepository/repo"), "Kustomization/app")
	says(t, w.flux("events", "-A"), "NAMESPACE", w.Namespace)

	w.commit(files{"app/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config, namespace: NS}\ndata: [1]\n"})
	w.flux("reconcile", "source", "git", "repo")
	watched.until("Warning", "Kustomization/app")
	warnings := w.flux("events", "--for", "Kustomization/app", "--types", "Warning")
	says(t, warnings, "Warning", "Kustomization/app")
	lacks(t, warnings, "Normal")
	says(t, w.refused("reconcile", "kustomization", "app", "--timeout=4s"), "✗")

	says(t, w.Kubectl("events", "--for", "kustomization/app"), "LAST SEEN", "ReconciliationSucceeded", "Kustomization/app")
	components := w.Kubectl("get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.kind}={.source.component} {end}")
	for pair := range strings.FieldsSeq(components) {
		if pair != "Kustomization=kustomize-controller" && pair != "GitRepository=source-controller" {
			t.Errorf("component of an event: %s", pair)
		}
	}
}
