package kustomization

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
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
		"far too many": {make([]api.CustomHealthCheck, mostChecks+1), "spec.healthCheckExprs: 129 entries are more than 128"},
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

func TestRulesJudge(t *testing.T) {
	rules, err := newJudges().of(apply.Owner{Name: "a"}, []api.CustomHealthCheck{
		check("example.org/v1", "", "status.phase == 'Ready'", "status.phase == 'Busy'", "status.phase in ['Broken', 'Busy']"),
	})
	if err != nil || rules == nil {
		t.Fatal(rules, err)
	}
	j := newJudges()
	rule := j.rule(check("", "", "status.phase == 'Ready'", "status.phase == 'Busy'", "status.phase in ['Broken', 'Busy']").HealthCheckExpressions)
	cases := map[string]struct {
		status map[string]any
		kind   string
		want   status.Status
		failed string
	}{
		"current":                 {map[string]any{"phase": "Ready"}, "A", status.CurrentStatus, ""},
		"failed":                  {map[string]any{"phase": "Broken"}, "A", status.FailedStatus, ""},
		"in progress comes first": {map[string]any{"phase": "Busy"}, "A", status.InProgressStatus, ""},
		"none of them":            {map[string]any{"phase": "Other"}, "A", status.InProgressStatus, ""},
		"an old generation":       {map[string]any{"phase": "Ready", "observedGeneration": int64(1)}, "A", status.InProgressStatus, ""},
		"a generation in text":    {map[string]any{"phase": "Ready", "observedGeneration": "1"}, "A", status.CurrentStatus, ""},
		"a field that is missing": {map[string]any{}, "A", "", "no such key: phase"},
		"a Secret":                {map[string]any{}, "Secret", "", "failed to evaluate a CEL expression on a Secret"},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			s, _, err := rule(map[string]any{"kind": tt.kind, "metadata": map[string]any{"generation": int64(2)}, "status": tt.status})
			if s != tt.want || (err == nil) != (tt.failed == "") || err != nil && !strings.Contains(err.Error(), tt.failed) {
				t.Errorf("got %s, %v", s, err)
			}
		})
	}
	long := j.rule(check("", "", "status.x == '"+strings.Repeat("x", 4000)+"'", "", "").HealthCheckExpressions)
	if _, _, err := long(map[string]any{}); err == nil || len(err.Error()) > longestReason+3 {
		t.Errorf("got %v", err)
	}
}

func TestRulesStayTheSame(t *testing.T) {
	j, owner := newJudges(), apply.Owner{Name: "a"}
	of := func(current string) *apply.Rules {
		rules, err := j.of(owner, []api.CustomHealthCheck{check("v1", "ConfigMap", current, "", "")})
		if err != nil {
			t.Fatal(err)
		}
		return rules
	}
	first := of("true")
	if of("true") != first || of("false") == first {
		t.Error("rules are the same as long as the expressions are")
	}
	if rules, err := j.of(owner, nil); rules != nil || err != nil || len(j.rules) != 0 {
		t.Error("the rules are still kept", rules, err)
	}
	of("true")
	j.forget(owner)
	if len(j.rules) != 0 {
		t.Error("the rules are still kept")
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
