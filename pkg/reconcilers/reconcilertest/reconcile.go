package reconcilertest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Reconcile runs a plugin on an object once and returns how that ended. The test fails if
// anything but the status changed, if a condition is not as conditions of sources are, or
// if the status does not go with the end: a source that is ready has an artifact and
// nothing against it, and one that failed says why.
func Reconcile(ctx context.Context, t testing.TB, p reconcilers.Plugin, obj api.Object) (reconcilers.Result, error) {
	t.Helper()
	before := obj.DeepCopyObject().(api.Object)
	result, err := p.Reconcile(ctx, obj)
	if diff := cmp.Diff(withoutStatus(t, before), withoutStatus(t, obj)); diff != "" {
		t.Errorf("more than the status was changed:\n%s", diff)
	}
	checkConditions(t, before, obj)
	if !result.Static && !obj.IsSuspended() {
		checkEnd(t, obj, err)
	}
	return result, err
}

func withoutStatus(t testing.TB, obj api.Object) map[string]any {
	t.Helper()
	text, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, "status")
	return fields
}

var (
	// engines are the conditions that the engine sets.
	engines = []string{api.ConditionReady, api.ConditionReconciling, api.ConditionStalled}
	// against are those that say something against an object, and are there while they do.
	against = []string{
		api.ConditionFetchFailed, api.ConditionStorageOperationFailed, api.ConditionBuildFailed,
		api.ConditionIncludeUnavailable, api.ConditionArtifactOutdated,
	}
)

// checkConditions holds each condition to the conventions for its type.
func checkConditions(t testing.TB, before, after api.Object) {
	t.Helper()
	was, is := before.GetConditions(), after.GetConditions()
	seen := map[string]bool{}
	for _, c := range is {
		old := conditions.Get(was, c.Type)
		if seen[c.Type] {
			t.Errorf("the condition %s is there twice", c.Type)
		}
		seen[c.Type] = true
		if old != nil && *old == c {
			continue
		}
		switch {
		case slices.Contains(engines, c.Type):
			t.Errorf("the condition %s is the engine's", c.Type)
		case slices.Contains(against, c.Type) && c.Status != metav1.ConditionTrue:
			t.Errorf("the condition %s is %s in the place of being gone", c.Type, c.Status)
		case c.Reason == "" || c.Message == "" || c.LastTransitionTime.IsZero():
			t.Errorf("the condition %+v says too little", c)
		case c.ObservedGeneration != after.GetGeneration():
			t.Errorf("the condition %+v is not about the generation %d", c, after.GetGeneration())
		}
	}
	if seen[api.ConditionFetchFailed] && seen[api.ConditionBuildFailed] {
		t.Error("FetchFailed and BuildFailed stand together")
	}
}

// checkEnd holds the status to how a reconcile ended.
func checkEnd(t testing.TB, obj api.Object, err error) {
	t.Helper()
	list := obj.GetConditions()
	spoken := conditions.IsFalse(list, api.ConditionSourceVerified) ||
		slices.ContainsFunc(against[:4], func(kind string) bool { return conditions.IsTrue(list, kind) })
	_, failed := errors.AsType[*fault.FailedError](err)
	_, stalled := errors.AsType[*fault.StalledError](err)
	switch {
	case err == nil:
		checkReady(t, obj)
	case (failed || stalled) && !spoken:
		t.Errorf("no condition tells of the failure %v: %+v", err, list)
	}
}

func checkReady(t testing.TB, obj api.Object) {
	t.Helper()
	list := obj.GetConditions()
	if source, ok := obj.(api.Source); ok && source.GetArtifact() == nil {
		t.Error("the source is ready and has no artifact")
	}
	if stored := conditions.Get(list, api.ConditionArtifactInStorage); stored == nil ||
		stored.Status != metav1.ConditionTrue || stored.ObservedGeneration != obj.GetGeneration() {
		t.Errorf("the source is ready and ArtifactInStorage is %+v", stored)
	}
	for _, kind := range against {
		if conditions.Has(list, kind) {
			t.Errorf("the source is ready in spite of %s", kind)
		}
	}
	if conditions.IsFalse(list, api.ConditionSourceVerified) {
		t.Error("the source is ready in spite of SourceVerified=False")
	}
}
