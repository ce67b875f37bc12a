package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// events waits until each of parts is in the events of the namespace and returns
// these, as kubectl get events would show them.
func (w *world) events(parts ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	watch, err := w.Dynamic.Resource(harness.Events).Namespace(w.namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer watch.Stop()
	var seen strings.Builder
	for event := range watch.ResultChan() {
		if e, ok := event.Object.(*unstructured.Unstructured); ok {
			seen.WriteString(eventLine(e) + "\n")
		}
		if holds(seen.String(), parts) {
			return seen.String()
		}
	}
	w.t.Fatalf("not all of %q are in the events:\n%s", parts, seen.String())
	return ""
}

func holds(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func eventLine(e *unstructured.Unstructured) string {
	return fmt.Sprintf("%s/%s %s %s %s %s: %s", field(e, "involvedObject", "kind"), field(e, "involvedObject", "name"),
		field(e, "type"), field(e, "reason"), field(e, "reportingComponent"), field(e, "source", "component"), field(e, "message"))
}

func TestEventsOfAnInstall(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app")
	seen := w.events(
		"GitRepository/repo Normal NewArtifact source-controller source-controller: stored artifact",
		"Kustomization/app Normal Progressing kustomize-controller kustomize-controller: ConfigMap/"+w.namespace+"/config created",
		"Kustomization/app Normal ReconciliationSucceeded kustomize-controller kustomize-controller: Reconciliation finished in ")
	if strings.Contains(seen, " Warning ") {
		t.Errorf("warnings in\n%s", seen)
	}
	contains(t, "kubectl get events", w.kubectl("get", "events"), "NewArtifact", "Progressing", "ReconciliationSucceeded", "kustomization/app")
}
