package install

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAlive(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		spec map[string]any
		want bool
	}{
		"renewed just now": {map[string]any{"holderIdentity": "a", "leaseDurationSeconds": int64(35), "renewTime": "2025-12-31T23:59:50.000000Z"}, true},
		"expired":          {map[string]any{"holderIdentity": "a", "leaseDurationSeconds": int64(35), "renewTime": "2025-12-31T23:59:00.000000Z"}, false},
		"given back":       {map[string]any{"holderIdentity": "", "leaseDurationSeconds": int64(35), "renewTime": "2025-12-31T23:59:50.000000Z"}, false},
		"never held":       {map[string]any{}, false},
	} {
		if got := alive(object(map[string]any{"spec": tt.spec}), now); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestScaledDown(t *testing.T) {
	for name, tt := range map[string]struct {
		spec, status map[string]any
		want         bool
	}{
		"one by default":   {nil, nil, false},
		"one":              {map[string]any{"replicas": int64(1)}, nil, false},
		"none":             {map[string]any{"replicas": int64(0)}, nil, true},
		"none, soon":       {map[string]any{"replicas": int64(0)}, map[string]any{"replicas": int64(1)}, false},
		"none for a while": {map[string]any{"replicas": int64(0)}, map[string]any{"replicas": int64(0)}, true},
	} {
		if got := atRest(object(map[string]any{"spec": tt.spec})); got != strings.HasPrefix(name, "none") {
			t.Errorf("%s, at rest: %v", name, got)
		}
		if got := scaledDown(object(map[string]any{"spec": tt.spec, "status": tt.status})); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestOthersError(t *testing.T) {
	err := &OthersError{[]Other{{Namespace: "flux-system", Name: "source-controller", Sign: "its Deployment has replicas"}, {Namespace: "other", Name: "fluxd", Sign: "its Deployment has replicas"}}}
	for _, part := range []string{
		"flux-system/source-controller (its Deployment has replicas), other/fluxd", "--force",
		"kubectl -n flux-system scale deployment -l app.kubernetes.io/part-of=flux,app.kubernetes.io/component!=fluxd --replicas=0; kubectl -n other scale deployment fluxd --replicas=0",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
}

// What Git would not hold is not exported.
func TestWritten(t *testing.T) {
	got := written(object(map[string]any{
		"apiVersion": "v1", "kind": "X", "spec": map[string]any{"a": "b"}, "status": map[string]any{"c": "d"},
		"metadata": map[string]any{
			"name": "x", "namespace": "n", "uid": "1", "labels": map[string]any{"l": "1"},
			"annotations": map[string]any{"reconcile.fluxcd.io/requestedAt": "now", "mine": "1"}, "finalizers": []any{"f"},
		},
	}))
	want := map[string]any{
		"apiVersion": "v1", "kind": "X", "spec": map[string]any{"a": "b"},
		"metadata": map[string]any{"name": "x", "namespace": "n", "labels": map[string]any{"l": "1"}, "annotations": map[string]any{"mine": "1"}},
	}
	if diff := cmp.Diff(want, got.Object); diff != "" {
		t.Error(diff)
	}
}

func TestKindsOf(t *testing.T) {
	for in, want := range map[string]string{
		"ks": "Kustomization", "Kustomization": "Kustomization", "kustomizations": "Kustomization", "git-repository": "GitRepository", "hr": "HelmRelease", "none": "",
	} {
		kinds, err := kindsOf(in)
		if (err == nil) != (want != "") || err == nil && (len(kinds) != 1 || kinds[0].Kind.Kind != want) {
			t.Errorf("%s: %v, %v", in, kinds, err)
		}
	}
	if all, err := kindsOf(""); err != nil || len(all) < 8 {
		t.Errorf("%d, %v", len(all), err)
	}
}
