package release

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	helm "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/kube"
)

// world is a release in a cluster in memory, and a process that acts on it.
type world struct {
	*plane
	*Releaser
	target Target
	now    time.Time
	closed []func()
}

func newWorld(t testing.TB) *world {
	w := &world{plane: newPlane(t), now: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)}
	w.restart()
	t.Cleanup(func() {
		for _, f := range w.closed {
			f()
		}
	})
	return w
}

// restart forgets everything that a process knows.
func (w *world) restart() {
	clients, err := kube.NewClients(&rest.Config{Host: "http://cluster.test", Transport: w.plane, QPS: -1}, runtime.NewScheme())
	if err != nil {
		w.t.Fatal(err)
	}
	secrets, err := kube.NewRecords(clients)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := ApplyConfig()
	cfg.Dynamic, cfg.Mapper, cfg.NoWatch = clients.Dynamic, clients.Mapper, true
	applier := apply.New(cfg)
	w.closed = append(w.closed, applier.Close)
	w.Releaser = New(Config{
		Now:          func() time.Time { return w.now },
		ConfigDigest: func(values map[string]any) string { return fmt.Sprint(values) },
	})
	w.target = Target{
		Owner: apply.Owner{Namespace: "flux", Name: "web"}, Name: "web", Namespace: "apps", Storage: "flux",
		Applier: applier, Secrets: secrets,
	}
}

// doc is a manifest of one object.
func doc(kind, name string, lines ...string) string {
	api := map[string]string{"Deployment": "apps/v1", "Job": "batch/v1", "Widget": "example.com/v1"}[kind]
	if api == "" {
		api = "v1"
	}
	return "---\n# Source: c/templates/" + name + ".yaml\napiVersion: " + api + "\nkind: " + kind + "\nmetadata:\n  name: " + name + "\n" +
		strings.Join(append(lines, ""), "\n")
}

func configMap(name, value string) string { return doc("ConfigMap", name, "data:", "  key: "+value) }

// hookOf is a hook that is a Job.
func hookOf(name string, weight int, policies string, events ...helm.HookEvent) *Hook {
	h := &Hook{
		Name: name, Kind: "Job", Path: "c/templates/" + name + ".yaml", Events: events, Weight: weight,
		Manifest: doc("Job", name, "spec:", "  completions: 1"),
	}
	for _, p := range strings.Fields(policies) {
		h.DeletePolicies = append(h.DeletePolicies, helm.HookDeletePolicy(p))
	}
	return h
}

func rendered(manifest string, hooks ...*Hook) Rendered {
	return Rendered{
		Chart:    &chart.Chart{Metadata: &chart.Metadata{Name: "c", Version: "1.0.0", AppVersion: "2"}},
		Values:   map[string]any{"a": "b"},
		Manifest: manifest, Hooks: hooks, Notes: "hello",
	}
}

func options(attempt string) Options {
	return Options{Attempt: attempt, Timeout: 5 * time.Minute, WaitForJobs: true}
}

func (w *world) install(r Rendered, change ...func(*Install)) (Step, error) {
	in := Install{Options: options("1/install"), Rendered: r, TakeOwnership: true}
	for _, c := range change {
		c(&in)
	}
	return w.Install(w.t.Context(), w.target, in)
}

func (w *world) upgrade(r Rendered, change ...func(*Upgrade)) (Step, error) {
	up := Upgrade{Options: options("2/upgrade"), Rendered: r, TakeOwnership: true, Method: ServerSide}
	for _, c := range change {
		c(&up)
	}
	return w.Upgrade(w.t.Context(), w.target, up)
}

// done fails the test unless a step is the end of an action that has succeeded.
func (w *world) done(s Step, err error) Step {
	w.t.Helper()
	if err != nil || !s.Done || s.Failure != nil {
		w.t.Fatalf("not done: %+v, waiting for %+v, error %v", s, s.Waiting, err)
	}
	return s
}

// waits fails the test unless a step waits for objects.
func (w *world) waits(s Step, err error) func(objects ...string) Step {
	return func(objects ...string) Step { w.t.Helper(); return w.awaits(s, err, objects) }
}

func (w *world) awaits(s Step, err error, objects []string) Step {
	w.t.Helper()
	if err != nil || s.Waiting == nil {
		w.t.Fatalf("does not wait: %+v, error %v", s, err)
	}
	var got []string
	for _, e := range s.Waiting.For {
		got = append(got, e.String())
	}
	if diff := cmp.Diff(objects, got); diff != "" {
		w.t.Fatalf("waits for (-want +got): %s", diff)
	}
	return s
}

func (w *world) fails(s Step, err error, text string) Step {
	w.t.Helper()
	if err != nil || !s.Done || s.Failure == nil {
		w.t.Fatalf("does not fail: %+v, waiting for %+v, error %v", s, s.Waiting, err)
	}
	if !strings.Contains(s.Failure.Error(), text) {
		w.t.Errorf("fails with %q, not %q", s.Failure, text)
	}
	return s
}

func (w *world) equal(what string, want, got any) {
	w.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s (-want +got): %s", what, diff)
	}
}

const (
	appsV1  = "/apis/apps/v1/namespaces/apps/"
	batchV1 = "/apis/batch/v1/namespaces/apps/"
	coreV1  = "/api/v1/namespaces/apps/"
	stored  = "/api/v1/namespaces/flux/secrets/sh.helm.release.v1.web.v"
)

// complete lets a Job succeed, or fail.
func complete(kind string) func(*unstructured.Unstructured) *unstructured.Unstructured {
	return func(obj *unstructured.Unstructured) *unstructured.Unstructured {
		obj.Object["status"] = map[string]any{"conditions": []any{map[string]any{"type": kind, "status": "True"}}}
		return obj
	}
}

func gone(*unstructured.Unstructured) *unstructured.Unstructured { return nil }

// history is what is stored: each revision with its status, as labels and content
// agree.
func (w *world) history() []string {
	w.t.Helper()
	heads, err := w.target.heads(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, h := range heads {
		rev, err := w.target.read(context.Background(), h.number)
		if err != nil {
			w.t.Fatal(err)
		}
		if h.status() != rev.info.Status {
			w.t.Errorf("the label of revision %d says %s", h.number, h.status())
		}
		all = append(all, fmt.Sprintf("%d %s: %s", h.number, rev.info.Status, rev.info.Description))
	}
	return all
}

type kstatus = status.Status
