package helmrelease

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/google/go-cmp/cmp"
)

// ask puts annotations on the object: reconcile, force, reset; empty leaves one out.
func ask(reconcile, force, reset string) func(*v2.HelmRelease) {
	return func(obj *v2.HelmRelease) {
		obj.Annotations = map[string]string{}
		for key, value := range map[string]string{
			api.AnnotationReconcileRequest: reconcile, api.AnnotationForceRequest: force, api.AnnotationResetRequest: reset,
		} {
			if value != "" {
				obj.Annotations[key] = value
			}
		}
	}
}

func handled(reconcile, force string) func(*v2.HelmRelease) {
	return func(obj *v2.HelmRelease) {
		obj.Status.LastHandledReconcileAt, obj.Status.LastHandledForceAt, obj.Status.LastHandledResetAt = reconcile, force, force
	}
}

func TestTake(t *testing.T) {
	tests := map[string]struct {
		obj  *v2.HelmRelease
		want bool
		mark string
	}{
		"nobody asked":                      {object(), false, ""},
		"asked":                             {object(ask("now", "now", "")), true, "now"},
		"asked without a reconcile":         {object(ask("", "now", "")), false, "now"},
		"asked together with another":       {object(ask("now", "then", "")), false, "then"},
		"the reconcile was handled":         {object(ask("now", "now", ""), handled("now", "")), false, "now"},
		"it was handled":                    {object(ask("now", "now", ""), handled("then", "now")), false, "now"},
		"another was handled before":        {object(ask("now", "now", ""), handled("then", "then")), true, "now"},
		"what was handled stays on record":  {object(ask("now", "", ""), handled("then", "then")), false, "then"},
		"an empty value asks for something": {object(func(o *v2.HelmRelease) { o.Annotations = map[string]string{api.AnnotationForceRequest: ""} }), false, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := takeForce(test.obj); got != test.want {
				t.Errorf("got %t", got)
			}
			if test.obj.Status.LastHandledForceAt != test.mark {
				t.Errorf("marked %q", test.obj.Status.LastHandledForceAt)
			}
			if takeForce(test.obj) {
				t.Error("a request is valid twice")
			}
		})
	}
}

func TestBegin(t *testing.T) {
	now := wanted{chartVersion: "1.0.0", chartDigest: "sha256:chart", config: "sha256:values"}
	same := func(obj *v2.HelmRelease) {
		obj.Status.LastAttemptedGeneration = 3
		obj.Status.LastAttemptedRevision, obj.Status.LastAttemptedConfigDigest = "1.0.0", "sha256:values"
	}
	tests := map[string]struct {
		obj   *v2.HelmRelease
		keeps bool
	}{
		"the same again":      {object(same), true},
		"the chart's digest":  {object(same, func(o *v2.HelmRelease) { o.Status.LastAttemptedRevisionDigest = "sha256:other" }), true},
		"another generation":  {object(same, func(o *v2.HelmRelease) { o.Status.LastAttemptedGeneration = 2 }), false},
		"another version":     {object(same, func(o *v2.HelmRelease) { o.Status.LastAttemptedRevision = "0.9.0" }), false},
		"other values":        {object(same, func(o *v2.HelmRelease) { o.Status.LastAttemptedConfigDigest = "sha256:other" }), false},
		"by request":          {object(same, ask("now", "", "now")), false},
		"by an old request":   {object(same, ask("now", "", "now"), handled("now", "now")), true},
		"by another request":  {object(same, ask("now", "", "then")), true},
		"force does not help": {object(same, ask("now", "now", "")), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := &test.obj.Status
			status.Failures, status.InstallFailures, status.UpgradeFailures = 3, 1, 2
			status.LastAttemptedValuesChecksum, status.LastReleaseRevision = "abc", 7
			begin(test.obj, now)
			if kept := status.Failures == 3 && status.InstallFailures == 1 && status.UpgradeFailures == 2; kept != test.keeps {
				t.Errorf("%d failures are left, %d of installs, %d of upgrades", status.Failures, status.InstallFailures, status.UpgradeFailures)
			}
			got := []any{
				status.StorageNamespace, status.LastAttemptedGeneration, status.LastAttemptedRevision, status.LastAttemptedRevisionDigest,
				status.LastAttemptedConfigDigest, status.LastAttemptedValuesChecksum, status.LastReleaseRevision,
			}
			want := []any{"apps", int64(3), "1.0.0", "sha256:chart", "sha256:values", "", 0}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("attempted (-want +got): %s", diff)
			}
			if test.obj.Annotations[api.AnnotationResetRequest] != status.LastHandledResetAt && test.obj.Annotations != nil {
				t.Errorf("the request is not marked: %q", status.LastHandledResetAt)
			}
		})
	}
}
