package apply

import (
	"errors"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func deployments() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
}

func statefulSets() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}
}

func available() map[string]any {
	return map[string]any{
		"replicas": int64(1), "readyReplicas": int64(1), "availableReplicas": int64(1), "updatedReplicas": int64(1),
		"conditions": []any{
			map[string]any{"type": "Available", "status": "True"},
			map[string]any{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
		},
	}
}

func findings(r Report) []string {
	var s []string
	for _, f := range r.Findings {
		s = append(s, f.String())
	}
	return s
}

func (w *world) health(inv Inventory) Report {
	w.t.Helper()
	r, err := w.Health(w.t.Context(), owner(), inv)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestHealthWakesOnceAndCostsNothing(t *testing.T) {
	w := newWorld(t)
	k := key{"default", "web"}
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{object("apps/v1", "Deployment", "default", "web", nil), configMap("a", "1")}})
	w.settled()
	w.api.requests()

	r := w.health(w.inv)
	equal(t, []string{"Deployment/default/web status: 'InProgress'"}, findings(r))
	equal(t, 2, r.Total)
	equal(t, 0, w.drain())

	w.api.status(deployments(), k, map[string]any{"replicas": int64(1)}) // no news
	w.settled()
	equal(t, 0, w.drain())

	w.api.status(deployments(), k, available())
	w.awaitWake()
	equal(t, true, w.health(w.inv).Healthy())

	w.api.status(deployments(), k, map[string]any{"replicas": int64(1)}) // nobody waits
	w.settled()
	equal(t, 0, w.drain())
	equal(t, []string(nil), w.api.requests())
}

func TestHealthFailed(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{object("apps/v1", "Deployment", "default", "web", nil)}})
	w.health(w.inv)
	w.api.status(deployments(), key{"default", "web"}, map[string]any{
		"conditions": []any{map[string]any{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}},
	})
	w.awaitWake()
	r := w.health(w.inv)
	equal(t, []string{"Deployment/default/web status: 'Failed'"}, findings(r))
	equal(t, true, r.Terminal())
	equal(t, 1, len(r.Failed()))
}

func TestHealthOfObjectsThatAreNotOurs(t *testing.T) {
	w := newWorld(t)
	e := Entry{Group: "apps", Kind: "Deployment", Namespace: "other", Name: "db"}
	k := key{"other", "db"}

	equal(t, []string{"Deployment/other/db status: 'NotFound'"}, findings(w.health(Inventory{e})))
	w.api.mu.Lock()
	w.api.put(deployments(), w.api.apply(nil, object("apps/v1", "Deployment", "other", "db", nil), "x", "other"))
	w.api.mu.Unlock()
	w.awaitWake()
	equal(t, []string{"Deployment/other/db status: 'InProgress'"}, findings(w.health(Inventory{e})))
	w.api.status(deployments(), k, available())
	w.awaitWake()
	equal(t, true, w.health(Inventory{e}).Healthy())
	equal(t, []string(nil), w.api.requests())

	w.health(nil)
	w.store.mu.Lock()
	equal(t, 0, len(w.store.sources))
	w.store.mu.Unlock()
}

func TestHealthOfOthersIsReadAsWhoeverAsks(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{object("apps/v1", "Deployment", "default", "web", nil)}})
	w.settled()
	tenant := newFakeAPI(t)
	tenant.forbidden["deployments"] = true
	tenant.refuse = func(string, Entry, *unstructured.Unstructured) error { return errors.New("you may not") }
	as := w.As("tenant", tenant)

	r, err := as.Health(t.Context(), Owner{"tenant", "evil"}, w.inv)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{"Deployment/default/web status: 'Unknown': you may not"}, findings(r))
	if r.Recheck == 0 {
		t.Error("nobody will look again")
	}
}

func TestHealthNeedsANamespace(t *testing.T) {
	w := newWorld(t)
	_, err := w.Health(t.Context(), owner(), Inventory{{Group: "apps", Kind: "Deployment", Name: "web"}})
	if !errors.Is(err, ErrNamespaceRequired) {
		t.Errorf("got %v", err)
	}
}

func TestHealthOfUnknownKind(t *testing.T) {
	w := newWorld(t)
	r := w.health(Inventory{{Group: "example.org", Kind: "Widget", Name: "a"}})
	equal(t, []string{`Widget/a status: 'Unknown': no matches for kind "Widget" in group "example.org"`}, findings(r))
}

func TestRulesReplaceTheGeneralOnes(t *testing.T) {
	w := newWorld(t)
	objects := []*unstructured.Unstructured{configMap("a", "1")}
	_, _ = w.pass(Request{Objects: objects})
	w.settled()
	equal(t, true, w.health(w.inv).Healthy())

	rules := NewRules(map[schema.GroupKind]Rule{{Kind: "ConfigMap"}: func(obj map[string]any) (status.Status, string, error) {
		if _, ok := obj["status"]; ok {
			return status.CurrentStatus, "", nil
		}
		return status.InProgressStatus, "no status yet", nil
	}})
	_, _ = w.pass(Request{Objects: objects, Rules: rules})
	r := w.health(w.inv)
	equal(t, []string{"ConfigMap/default/a status: 'InProgress'"}, findings(r))
	equal(t, "no status yet", r.Findings[0].Message)
	w.settled()
	w.drain()
	w.api.status(configMaps(), key{"default", "a"}, map[string]any{"x": "y"})
	w.awaitWake()
	w.api.requests()
	equal(t, true, w.health(w.inv).Healthy())
	equal(t, []string(nil), w.api.requests())
}

func TestRuleErrorsAreUnknown(t *testing.T) {
	rules := NewRules(map[schema.GroupKind]Rule{{Group: "apps"}: func(map[string]any) (status.Status, string, error) {
		return "", "", errors.New("no such key")
	}})
	h, message := judge(object("apps/v1", "Deployment", "n", "a", nil), rules)
	equal(t, unknown, h)
	equal(t, "no such key", message)
	h, _ = judge(configMap("a", "1"), rules)
	equal(t, current, h)
	equal(t, (*Rules)(nil), NewRules(nil))
}

func TestJudgeJobs(t *testing.T) {
	job := func(condition string) *unstructured.Unstructured {
		content := map[string]any{"status": map[string]any{"startTime": "now", "failed": int64(3)}}
		if condition != "" {
			setPath(content, []string{"status", "conditions"}, []any{map[string]any{"type": condition, "status": "True"}})
		}
		return object("batch/v1", "Job", "n", "a", content)
	}
	for condition, want := range map[string]health{"": inProgress, "Complete": current, "Suspended": current, "Failed": failed} {
		got, _ := judge(job(condition), nil)
		equal(t, want, got)
	}
}

func TestJudgeSurvivesAnyShape(t *testing.T) {
	pod := object("v1", "Pod", "n", "a", map[string]any{"status": map[string]any{
		"phase": "Running", "containerStatuses": []any{"not a map"},
	}})
	h, message := judge(pod, nil)
	equal(t, unknown, h)
	if message == "" {
		t.Error("no reason")
	}
}

func TestJobsThatExpireAreDone(t *testing.T) {
	w := newWorld(t)
	jobs := schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	job := object("batch/v1", "Job", "default", "once", map[string]any{"spec": map[string]any{"ttlSecondsAfterFinished": int64(1)}})
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{job}})
	w.settled()
	w.api.remove(jobs, key{"default", "once"})
	w.settled()
	equal(t, 0, w.drain())
	equal(t, true, w.health(w.inv).Healthy())
}

func TestStatefulSetFailsByItsPods(t *testing.T) {
	w := newWorld(t)
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	set := object("apps/v1", "StatefulSet", "default", "db", map[string]any{"spec": map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": "db"}},
	}})
	pod := object("v1", "Pod", "default", "db-0", nil)
	pod.SetLabels(map[string]string{"app": "db"})
	w.api.mu.Lock()
	w.api.put(pods, w.api.apply(nil, pod, "x", "default"))
	w.api.mu.Unlock()
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{set}})
	w.settled()
	equal(t, []string{"StatefulSet/default/db status: 'InProgress'"}, findings(w.health(w.inv)))
	w.settled()
	w.api.status(pods, key{"default", "db-0"}, map[string]any{"phase": "Pending", "conditions": []any{
		map[string]any{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"},
	}})
	w.settled()
	equal(t, []string{"StatefulSet/default/db status: 'InProgress'"}, findings(w.health(w.inv)))
	w.drain()
	w.api.status(pods, key{"default", "db-0"}, map[string]any{"phase": "Running", "containerStatuses": []any{
		map[string]any{"name": "db", "state": map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff"}}},
	}})
	w.awaitWake()
	equal(t, []string{"StatefulSet/default/db status: 'Failed'"}, findings(w.health(w.inv)))
	w.api.status(statefulSets(), key{"default", "db"}, map[string]any{
		"replicas": int64(1), "readyReplicas": int64(1), "currentReplicas": int64(1), "updatedReplicas": int64(1),
	})
	w.awaitWake()
	equal(t, true, w.health(w.inv).Healthy())
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for tg := range w.store.sources {
		if tg.gvr == pods {
			t.Error("the Pods are still watched")
		}
	}
}
