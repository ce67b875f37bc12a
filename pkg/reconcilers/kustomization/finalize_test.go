package kustomization

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/fault"
)

// finalize deletes the object and finalizes it once.
func (w *world) finalize() error {
	w.t.Helper()
	if w.ks.DeletionTimestamp == nil {
		now := metav1.Now()
		w.ks.DeletionTimestamp = &now
	}
	return w.r.Finalize(context.Background(), w.ks.DeepCopy())
}

var bothDeleted = []string{"ConfigMap/apps/a deleted", "ConfigMap/apps/b deleted"}

func TestDeletes(t *testing.T) {
	for _, c := range []struct {
		policy         string
		prune, suspend bool
		want           bool
	}{
		{"", true, false, true}, {"", false, false, false},
		{v1.DeletionPolicyMirrorPrune, true, false, true}, {v1.DeletionPolicyMirrorPrune, false, false, false},
		{v1.DeletionPolicyDelete, false, false, true}, {v1.DeletionPolicyWaitForTermination, false, false, true},
		{v1.DeletionPolicyOrphan, true, false, false}, {"Nonsense", true, false, false},
		{v1.DeletionPolicyDelete, true, true, false}, {"", true, true, false},
	} {
		obj := &v1.Kustomization{}
		obj.Spec.DeletionPolicy, obj.Spec.Prune, obj.Spec.Suspend = c.policy, c.prune, c.suspend
		if got := deletes(obj); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestFinalize(t *testing.T) {
	bubble(t, func(w *world) {
		w.must()
		w.writes()
		w.told()
		for range 2 { // it may run twice
			if err := w.finalize(); err != nil {
				t.Fatal(err)
			}
			w.want("writes", w.writes(), bothDeleted)
			w.want("told", w.told(), []string{"info ReconciliationSucceeded: ConfigMap/apps/a deleted\nConfigMap/apps/b deleted"})
		}
		w.want("forgotten", w.cluster.forgotten, 2)
		w.want("builds remembered", w.r.builds.Stats().Builds, 0)
	})
}

func TestFinalizeLeavesObjects(t *testing.T) {
	cases := map[string]func(*v1.Kustomization){
		"suspended":                    func(k *v1.Kustomization) { k.Spec.Suspend = true },
		"orphaned":                     func(k *v1.Kustomization) { k.Spec.DeletionPolicy = v1.DeletionPolicyOrphan },
		"prune is off":                 func(k *v1.Kustomization) { k.Spec.Prune = false },
		"the finalizer was taken away": func(k *v1.Kustomization) { k.Finalizers = nil },
		"nothing was applied":          func(k *v1.Kustomization) { k.Status.Inventory = nil },
		"orphaned, and from elsewhere": func(k *v1.Kustomization) {
			k.Spec.DeletionPolicy, k.Spec.ServiceAccountName = v1.DeletionPolicyOrphan, "x"
		},
		"nothing was applied, and somebody else": func(k *v1.Kustomization) { k.Status.Inventory, k.Spec.ServiceAccountName = nil, "x" },
	}
	for name, edit := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.must()
				w.writes()
				edit(w.ks)
				if err := w.finalize(); err != nil {
					t.Fatal(err)
				}
				w.want("writes", w.writes(), []string(nil))
				w.want("forgotten", w.cluster.forgotten, 1)
			})
		})
	}
}

func TestFinalizeFails(t *testing.T) {
	bubble(t, func(w *world) {
		w.must()
		w.told()
		w.cluster.keep["ConfigMap/apps/b"] = errors.New("denied")
		err := w.finalize()
		if failed, ok := errors.AsType[*fault.FailedError](err); !ok || !failed.Backoff || err.Error() != "pruning for deleted resource failed: denied" {
			t.Errorf("got %v", err)
		}
		w.want("forgotten", w.cluster.forgotten, 0)
		w.want("told", w.told(), []string(nil)) // the engine does, once
	})
}

func TestWaitForTermination(t *testing.T) {
	for name, given := range map[string]bool{"until it is gone": true, "until the timeout": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.ks.Spec.DeletionPolicy = v1.DeletionPolicyWaitForTermination
				w.ks.Spec.Timeout = &metav1.Duration{Duration: time.Minute}
				w.must()
				w.told()
				w.cluster.terminating["ConfigMap/apps/b"] = true
				for range 3 {
					err := w.finalize()
					waiting, ok := errors.AsType[*fault.WaitingError](err)
					if !ok || waiting.After > terminationRecheck || err.Error() != "waiting for 1 objects to terminate" {
						t.Fatalf("got %v", err)
					}
					w.pass(waiting.After)
				}
				w.want("told while it waits", w.told(), []string(nil))
				if given {
					delete(w.cluster.terminating, "ConfigMap/apps/b")
				} else {
					w.pass(time.Minute)
				}
				if err := w.finalize(); err != nil {
					t.Fatal(err)
				}
				want := []string{"info ReconciliationSucceeded: ConfigMap/apps/a deleted\nConfigMap/apps/b deleted"}
				if !given {
					want = append([]string{"error PruneFailed: failed to wait for resources termination: 1 are left"}, want...)
				}
				w.want("told", w.told(), want)
			})
		})
	}
}
