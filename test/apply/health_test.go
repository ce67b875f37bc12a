package apply

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/apply"
)

// healthy asks for the health of inv until it is final.
func (w *world) final(inv apply.Inventory) apply.Report {
	w.t.Helper()
	for {
		r, err := w.Health(w.t.Context(), w.owner, inv)
		if err != nil {
			w.t.Fatal(err)
		}
		if r.Terminal() {
			return r
		}
		w.await(r.Recheck)
	}
}

func TestHealthByEvents(t *testing.T) {
	w := newWorld(t)
	w.apply(four)
	asked := w.counted(func() { equal(t, true, w.final(w.inv).Healthy()) })
	equal(t, map[string]int{}, asked)
	equal(t, map[string]int{}, w.counted(func() { equal(t, true, w.final(w.inv).Healthy()) }))
}

func TestNeverHealthy(t *testing.T) {
	w := newWorld(t)
	w.apply(strings.Replace(web, "labels: {app: web},", "labels: {app: web}, annotations: {fluxd.test/never-ready: \"true\"},", 1))
	r, err := w.Health(t.Context(), w.owner, w.inv)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "Deployment/"+w.namespace+"/web status: 'InProgress'", r.Findings[0].String())
	equal(t, time.Duration(0), r.Recheck)

	// Somebody else is not held up by it.
	other := apply.Owner{Namespace: w.namespace, Name: "other"}
	p, err := w.Plan(t.Context(), apply.Request{Owner: other, Objects: w.objects(`
apiVersion: v1
kind: ConfigMap
metadata: {name: other, namespace: NS}
`)})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	r, err = w.Health(t.Context(), other, out.Inventory)
	if err != nil || !r.Healthy() {
		t.Fatal(r, err)
	}
}

func TestStatefulSetWithCrashingPods(t *testing.T) {
	w := newWorld(t)
	w.apply(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: NS}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}, annotations: {fluxd.test/fail: "true"}}
    spec: {containers: [{name: db, image: example.com/db:1}]}
`)
	r := w.final(w.inv)
	equal(t, 1, len(r.Failed()))
	equal(t, "StatefulSet/"+w.namespace+"/db status: 'Failed'", r.Findings[0].String())
}

func TestHealthOfSomethingThatIsNotOurs(t *testing.T) {
	w := newWorld(t)
	e := apply.Entry{Group: "apps", Kind: "Deployment", Namespace: w.namespace, Name: "theirs"}
	r, err := w.Health(t.Context(), w.owner, apply.Inventory{e})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "Deployment/"+w.namespace+"/theirs status: 'NotFound'", r.Findings[0].String())
	w.kubectl("-n", w.namespace, "create", "deployment", "theirs", "--image=example.com/x")
	equal(t, true, w.final(apply.Inventory{e}).Healthy())
}

func TestJobIsHealthyWhenItIsDone(t *testing.T) {
	w := newWorld(t)
	w.apply(strings.Replace(job, "1h", "1s", 1))
	r, err := w.Health(t.Context(), w.owner, w.inv)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, false, r.Healthy())
	equal(t, true, w.final(w.inv).Healthy())
}
