package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
	words "github.com/fluxd/fluxd/test/harness/world"
)

// atRest is the Deployment of a Flux controller at rest, with more arguments.
func (w *ownWorld) atRest(name string, more ...string) string {
	var args strings.Builder
	for _, arg := range append([]string{
		"--events-addr=http://notification-controller.$(RUNTIME_NAMESPACE).svc.cluster.local./", "--watch-all-namespaces=true",
		"--watch-label-selector=" + w.selector(), "--log-level=info", "--log-encoding=json", "--enable-leader-election",
	}, more...) {
		args.WriteString("        - " + arg + "\n")
	}
	return w.expand(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: ` + name + `
  namespace: NS
  labels: {app.kubernetes.io/part-of: flux, app.kubernetes.io/component: ` + name + `}
spec:
  replicas: 0
  selector: {matchLabels: {app: ` + name + `}}
  template:
    metadata: {labels: {app: ` + name + `}}
    spec:
      containers:
      - name: manager
        image: example.com/` + name + `:v1
        env:
        - {name: RUNTIME_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        args:
` + args.String())
}

// tell changes the last argument of a Flux controller.
func (w *ownWorld) tell(name, arg string) {
	w.t.Helper()
	w.kubectl("patch", "deployment", name, "--type=json", "-p", `[{"op":"replace","path":"/spec/template/spec/containers/0/args/6","value":"`+arg+`"}]`)
}

// launchHere starts a daemon in the namespace of the test.
func (w *ownWorld) launchHere() *harness.Daemon {
	w.t.Helper()
	d, err := harness.StartWith([]string{"RUNTIME_NAMESPACE=" + w.namespace}, binary, w.gate.kubeconfig,
		append(flags(), "--watch-label-selector="+w.selector())...)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// begin is launchHere for the daemon that the test ends with.
func (w *ownWorld) begin() *harness.Daemon {
	w.t.Helper()
	d := w.launchHere()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.daemon = d
	return d
}

// The lockdown that is patched into the Deployments of Flux controllers at rest counts.
// What changes there restarts the process, what makes no sense there does not stop one
// that runs, and does not let one start.
func TestHeedsFluxControllers(t *testing.T) {
	w := newOwnWorld(t, files{"app/config.yaml": configMap("config", "1")})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w.create(w.atRest("kustomize-controller", "--no-cross-namespace-refs=true"))
	w.create(w.atRest("notification-controller", "--of-a-controller-whose-kinds-are-not-served"))
	w.create("apiVersion: v1\nkind: Namespace\nmetadata: {name: NS-far}")
	w.create(strings.ReplaceAll(w.expand(w.manifest("source.toolkit.fluxcd.io/v1", "GitRepository", "repo", "interval: 10m\nurl: "+w.git.RepoURL(w.repo)+"\nref: {branch: main}")),
		"namespace: "+w.namespace+",", "namespace: "+w.namespace+"-far,"))
	w.create(w.manifest("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "app", "interval: 10m\nprune: true\npath: ./app\nsourceRef: {kind: GitRepository, name: repo, namespace: NS-far}"))
	first := w.begin()
	w.wait(harness.Kustomized, "app", words.Has("Ready", "False/AccessDenied"))

	// A patch that makes no sense is told, and changes nothing for now.
	w.tell("kustomize-controller", "--no-cross-namespace-refs=perhaps")
	if err := first.Logged(ctx, "going on as before", "no-cross-namespace-refs"); err != nil {
		t.Fatal(err)
	}
	told := w.kubectl("get", "events", "--field-selector=reason=ArgumentsRefused", "-o", "jsonpath={.items[0].type} {.items[0].involvedObject.name} {.items[0].message}")
	contains(t, "event", told, "Warning kustomize-controller ", "--no-cross-namespace-refs")
	unable := w.launchHere()
	if exit, err := unable.Ended(ctx); err != nil || exit == nil {
		t.Fatalf("another process ended with %v, error %v", exit, err)
	}
	contains(t, "log", strings.Join(unable.Logs(), "\n"), w.namespace+"/kustomize-controller", "no-cross-namespace-refs")

	// What makes sense ends the process in good order, and the next one goes by it.
	w.tell("kustomize-controller", "--no-cross-namespace-refs=false")
	if exit, err := first.Ended(ctx); err != nil || exit != nil {
		t.Fatalf("the process ended with %v, error %v", exit, err)
	}
	second := w.begin()
	w.ready("app")

	// So does kubectl rollout restart.
	w.kubectl("rollout", "restart", "deployment/kustomize-controller")
	if exit, err := second.Ended(ctx); err != nil || exit != nil {
		t.Fatalf("the process ended with %v, error %v", exit, err)
	}
	w.take()
}
