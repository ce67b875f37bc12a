package kustomization

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
)

func bySecret(name string) *api.KubeConfigReference {
	return &api.KubeConfigReference{SecretRef: &api.SecretKeyReference{Name: name}}
}

func TestWhoApplies(t *testing.T) {
	bubble(t, func(w *world) {
		w.ks.Spec.ServiceAccountName, w.ks.Spec.KubeConfig = "tenant", bySecret("there")
		w.must()
		w.ks.Spec.ServiceAccountName = "other"
		if err := w.finalize(); err != nil {
			t.Fatal(err)
		}
		var accounts []string
		for _, id := range w.cluster.identities {
			accounts = append(accounts, id.Account+"@"+id.KubeConfig.SecretRef.Name)
		}
		// The inventory is written ahead, so that the first pass has two runs.
		w.want("identities", accounts, []string{"tenant@there", "tenant@there", "other@there"})
	})
}

func TestKubeConfigRefs(t *testing.T) {
	secret, configMap := schema.GroupKind{Kind: "Secret"}, schema.GroupKind{Kind: "ConfigMap"}
	for name, c := range map[string]struct {
		ref  *api.KubeConfigReference
		want []reconcilers.Ref
	}{
		"this cluster":         {nil, nil},
		"neither":              {&api.KubeConfigReference{}, nil},
		"a Secret":             {bySecret("a"), []reconcilers.Ref{reconcilers.NewRef(secret, "apps", "a")}},
		"a ConfigMap":          {&api.KubeConfigReference{ConfigMapRef: &api.LocalObjectReference{Name: "a"}}, []reconcilers.Ref{reconcilers.NewRef(configMap, "apps", "a")}},
		"both, which is wrong": {&api.KubeConfigReference{SecretRef: &api.SecretKeyReference{Name: "a"}, ConfigMapRef: &api.LocalObjectReference{Name: "b"}}, []reconcilers.Ref{reconcilers.NewRef(secret, "apps", "a"), reconcilers.NewRef(configMap, "apps", "b")}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t}
			obj := &v1.Kustomization{}
			obj.Namespace, obj.Spec.KubeConfig = "apps", c.ref
			w.want("references", consumer.KubeConfigRefs(obj.Namespace, obj.Spec.KubeConfig), c.want)
		})
	}
}

// Without somebody who applies, nothing is planned and nothing is written.
func TestNobodyApplies(t *testing.T) {
	bubble(t, func(w *world) {
		w.must()
		w.writes()
		planned := len(w.cluster.requests)
		w.cluster.absent = errors.New("KubeConfig secret 'flux-system/there' does not contain a 'value' key with a kubeconfig")
		_, err := w.run()
		if failed, ok := errors.AsType[*fault.FailedError](err); !ok || failed.Backoff || failed.Reason != api.ReasonReconciliationFailed {
			t.Errorf("got %#v", err)
		}
		w.want("message", err.Error(), "failed to build kube client: "+w.cluster.absent.Error())
		err = w.finalize()
		if failed, ok := errors.AsType[*fault.FailedError](err); !ok || !failed.Backoff {
			t.Errorf("got %#v", err)
		}
		w.want("plans", len(w.cluster.requests), planned)
		w.want("writes", w.writes(), []string(nil))
		w.want("forgotten", w.cluster.forgotten, 0)
	})
}

// While another object finds out whether the cluster answers, the object is parked
// and stays as it is.
func TestParkedWhileConnecting(t *testing.T) {
	bubble(t, func(w *world) {
		w.cluster.absent = clusters.ErrConnecting
		_, err := w.run()
		waiting, ok := errors.AsType[*fault.WaitingError](err)
		if !ok || !waiting.KeepReady || waiting.After != connectRecheck {
			t.Errorf("got %#v", err)
		}
		w.ks.Status.Inventory = &api.ResourceInventory{Entries: []api.ResourceRef{{ID: "apps_a__ConfigMap", Version: "v1"}}}
		if _, ok := errors.AsType[*fault.WaitingError](w.finalize()); !ok {
			t.Error("a deleted object is not parked")
		}
	})
}

func TestFinalizeWithoutAccount(t *testing.T) {
	bubble(t, func(w *world) {
		w.ks.Spec.ServiceAccountName = "tenant"
		w.must()
		w.writes()
		w.told()
		w.cluster.lost = true
		if err := w.finalize(); err != nil {
			t.Fatal(err)
		}
		w.want("writes", w.writes(), []string(nil))
		w.want("told", w.told(), []string{"error PruneFailed: unable to prune objects: \nConfigMap/apps/a\nConfigMap/apps/b"})
		w.want("forgotten", w.cluster.forgotten, 1)
	})
}

// stuck is an applier that only gives up when it has to.
type stuck struct{ applier }

func (stuck) Ready(context.Context, apply.Owner, apply.Inventory) (apply.Report, error) {
	return apply.Report{}, nil
}

func (stuck) Plan(ctx context.Context, _ apply.Request) (*apply.Plan, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (stuck) Health(ctx context.Context, _ apply.Owner, _ apply.Inventory) (apply.Report, error) {
	<-ctx.Done()
	return apply.Report{}, ctx.Err()
}

// A pass over another cluster ends with the timeout of the object.
func TestSlowCluster(t *testing.T) {
	bubble(t, func(w *world) {
		w.ks.Spec.KubeConfig = bySecret("there")
		w.ks.Spec.Timeout = &metav1.Duration{Duration: time.Minute}
		tenancy := w.tenancy()
		tenancy.connect = func(context.Context, apply.Owner, clusters.Identity) (applier, error) { return stuck{}, nil }
		w.r.tenancy = tenancy
		began := time.Now()
		_, err := w.run()
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %s", took)
		}
		w.want("message", err.Error(), "the cluster took longer than the timeout of 1m0s")

		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		h := hurried{applier: stuck{}, until: time.Now().Add(time.Hour), timeout: time.Hour}
		if _, err := h.Health(ctx, apply.Owner{}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
