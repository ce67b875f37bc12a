package helm

import (
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/test/controlplane"
)

// An edit wakes the owner and is set back; then nothing is asked any more.
func TestDriftIsSetBack(t *testing.T) {
	for name, method := range map[string]release.Method{"server": release.ServerSide, "client": release.ClientSide} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install("1", func(in *release.Install) { in.Method = method })
			watch := release.Watch{Version: 1}
			for range 2 { // the first knows what was left
				if drifts, err := w.Drift(t.Context(), w.target, watch); err != nil || len(drifts) > 0 {
					t.Fatalf("%v (%v)", drifts, err)
				}
			}
			mark, err := plane.MarkAudit()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Drift(t.Context(), w.target, watch); err != nil {
				t.Fatal(err)
			}
			counts, err := plane.AuditCountsSince(mark, controlplane.FluxdUser)
			if err != nil {
				t.Fatal(err)
			}
			for r, n := range counts {
				if r.Verb != "watch" {
					t.Errorf("nothing had changed, and %d requests: %s", n, r)
				}
			}
			w.drain()
			w.kubectl("-n", w.namespace, "patch", "configmap", "a", "--type=merge", "-p", `{"data":{"key":"edited"}}`)
			select {
			case <-w.woken:
			case <-time.After(20 * time.Second):
				t.Fatal("nobody was woken")
			}
			drifts, err := w.Drift(t.Context(), w.target, watch)
			if err != nil || len(drifts) != 1 || drifts[0].String() != "ConfigMap/"+w.namespace+"/a changed (0 additions, 1 changes, 0 removals)" {
				t.Errorf("drift: %v (%v)", drifts, err)
			}
			if _, err := w.Correct(t.Context(), w.target, watch); err != nil {
				t.Fatal(err)
			}
			equal(t, "value", "1", w.jsonpath("{.data.key}", "configmap", "a"))
		})
	}
}

func (w *world) drain() {
	for {
		select {
		case <-w.woken:
		default:
			return
		}
	}
}

// A hook that is a Job is waited for by its watch, and a Deployment by its record.
func TestWaitsAreWoken(t *testing.T) {
	w := newWorld(t)
	r := w.rendered("1")
	r.Hooks = append(r.Hooks, &release.Hook{
		Name: "job", Kind: "Job", Path: "c/templates/job.yaml", Events: []hookEvent{"pre-install"}, Weight: 1,
		Manifest: `apiVersion: batch/v1
kind: Job
metadata:
  name: job
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: a
        image: example.com/a
`,
		DeletePolicies: []deletePolicy{"hook-succeeded"},
	})
	r.Manifest += `---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: d
spec:
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec:
      containers:
      - name: a
        image: example.com/a
`
	step, err := w.Install(t.Context(), w.target, release.Install{Options: options("1"), Rendered: r, TakeOwnership: true})
	if err != nil || step.Waiting == nil || step.Waiting.For[0].Kind != "Job" || step.Waiting.After < 10*time.Second {
		t.Fatalf("it does not wait to be woken: %+v, %+v (%v)", step, step.Waiting, err)
	}
	w.drain()
	w.kubectl("-n", w.namespace, "wait", "--for=jsonpath={.status.startTime}", "job/job", "--timeout=20s")
	done := `{"status":{"active":null,"ready":null,"terminating":null,"succeeded":1,"uncountedTerminatedPods":{},"completionTime":"` +
		time.Now().UTC().Add(time.Second).Format(time.RFC3339) + `",` +
		`"conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}}`
	w.kubectl("-n", w.namespace, "patch", "job", "job", "--subresource=status", "--type=merge", "-p", done)
	select {
	case <-w.woken:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was woken")
	}
	w.restart()
	w.succeed(func() (release.Step, error) { return w.Continue(t.Context(), w.target) })
	equal(t, "the hook", "", w.jsonpath("{.metadata.name}", "job", "job"))
	equal(t, "the Deployment", "1", w.jsonpath("{.status.readyReplicas}", "deployment", "d"))
}

// Whichever way an upgrade goes, what the chart has no more is removed, and what others
// have added stays.
func TestMethods(t *testing.T) {
	const two = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: \"1\"\n  other: \"1\"\n"
	for name, c := range map[string]struct{ from, to release.Method }{
		"server-to-client": {release.ServerSide, release.ClientSide}, "client-to-server": {release.ClientSide, release.ServerSide},
		"server": {release.ServerSide, release.ServerSide}, "client": {release.ClientSide, release.ClientSide},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install("1", func(in *release.Install) { in.Method, in.Manifest = c.from, two })
			w.kubectl("-n", w.namespace, "patch", "configmap", "a", "--type=merge", "-p", `{"data":{"theirs":"1"}}`)
			w.restart()
			w.upgrade("2", func(up *release.Upgrade) { up.Method = c.to })
			equal(t, "data", `{"key":"2","theirs":"1"}`, w.jsonpath("{.data}", "configmap", "a"))
			w.succeed(func() (release.Step, error) {
				return w.Rollback(t.Context(), w.target, release.Rollback{Options: options("back"), Version: 1})
			})
			equal(t, "data", `{"key":"1","other":"1","theirs":"1"}`, w.jsonpath("{.data}", "configmap", "a"))
			equal(t, "method", c.from, w.last().Method)
		})
	}
}
