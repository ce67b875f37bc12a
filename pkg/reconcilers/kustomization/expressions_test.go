package kustomization

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
)

func check(apiVersion, kind, current, inProgress, failed string) api.CustomHealthCheck {
	return api.CustomHealthCheck{APIVersion: apiVersion, Kind: kind, HealthCheckExpressions: api.HealthCheckExpressions{
		Current: current, InProgress: inProgress, Failed: failed,
	}}
}

func TestExpressionsThatStall(t *testing.T) {
	cases := map[string]struct {
		checks []api.CustomHealthCheck
		want   string
	}{
		"one that does not parse": {
			[]api.CustomHealthCheck{check("v1", "ConfigMap", "true", "", ""), check("a/v1", "B", "true", "", "foo.")},
			"spec.healthCheckExprs[1].failed: failed to parse the CEL expression 'foo.'",
		},
		"none at all": {
			[]api.CustomHealthCheck{check("v1", "ConfigMap", "", "true", "")},
			"spec.healthCheckExprs[0].current: expression Current not specified",
		},
		"two for one kind": {
			[]api.CustomHealthCheck{check("a/v1", "B", "true", "", ""), check("a/v2", "B", "true", "", "")},
			"spec.healthCheckExprs[1]: duplicate custom health check for GroupKind B.a",
		},
		"far too many": {make([]api.CustomHealthCheck, consumer.MostChecks+1), "spec.healthCheckExprs: 129 entries are more than 128"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ks.Spec.HealthCheckExprs = tt.checks
			_, err := w.run()
			stalled, ok := errors.AsType[*fault.StalledError](err)
			if !ok || stalled.Reason != api.ReasonInvalidCELExpression {
				t.Fatalf("got %v", err)
			}
			const prefix = "Reconciliation failed terminally due to configuration error: "
			if !strings.HasPrefix(err.Error(), prefix+tt.want) {
				t.Errorf("got %q", err)
			}
		})
	}
}

func TestRulesReachTheApplier(t *testing.T) {
	w := newWorld(t)
	w.must()
	w.ks.Spec.HealthCheckExprs = []api.CustomHealthCheck{check("v1", "ConfigMap", "true", "", "")}
	w.must()
	w.must()
	r := w.cluster.requests
	n := len(r)
	if r[0].Rules != nil || r[n-1].Rules == nil || r[n-1].Rules != r[n-2].Rules {
		t.Error("the applier was given other rules")
	}
}

func TestReadyExpr(t *testing.T) {
	cases := map[string]struct {
		expr            string
		ready, additive bool
		want            string
	}{
		"true":                          {"dep.metadata.labels['v'] == self.metadata.labels['v']", false, false, ""},
		"true, and not ready otherwise": {"dep.metadata.labels['v'] == self.metadata.labels['v']", false, true, "dependency 'flux-system/dep' is not ready"},
		"true, and ready as well":       {"dep.metadata.labels['v'] == self.metadata.labels['v']", true, true, ""},
		"false":                         {"dep.spec.suspend == self.metadata.name", true, false, "dependency 'flux-system/dep' is not ready according to readyExpr eval"},
		"a field that is missing":       {"dep.status.nothing == 1", true, false, "failed to evaluate dependency dep: failed to evaluate the CEL expression 'dep.status.nothing == 1': no such key: nothing"},
		"a field alone": {
			"dep.status.ready", true, false,
			"Reconciliation failed terminally due to configuration error: spec.dependsOn[0].readyExpr: " +
				"failed to evaluate dependency dep: CEL expression output type mismatch: expected bool, got dyn",
		},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.r.options.AdditiveReadyExpr = tt.additive
			w.ks.Labels = map[string]string{"v": "1"}
			w.ks.Spec.DependsOn = []api.DependencyReference{{Name: "dep", ReadyExpr: tt.expr}}
			dep := &v1.Kustomization{}
			dep.Namespace, dep.Name, dep.Labels = "flux-system", "dep", map[string]string{"v": "1"}
			dep.Spec.Suspend = true
			if tt.ready {
				dep.Status.Conditions = conditions.Set(nil, metav1.Condition{Type: api.ConditionReady, Status: metav1.ConditionTrue}, time.Now())
			}
			w.objects[reconcilers.NewRef(api.KustomizationGVK.GroupKind(), "flux-system", "dep")] = dep
			_, err := w.run()
			got := ""
			if err != nil {
				got = err.Error()
			}
			w.want("the error", got, tt.want)
			_, stalled := errors.AsType[*fault.StalledError](err)
			w.want("stalled", stalled, strings.Contains(tt.want, "terminally"))
		})
	}
}
