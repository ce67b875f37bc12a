package consumer

import (
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
)

func check(apiVersion, kind, current, inProgress, failed string) api.CustomHealthCheck {
	return api.CustomHealthCheck{APIVersion: apiVersion, Kind: kind, HealthCheckExpressions: api.HealthCheckExpressions{
		Current: current, InProgress: inProgress, Failed: failed,
	}}
}

func TestRulesJudge(t *testing.T) {
	rules, err := NewJudges(apply.NewRules).Of(apply.Owner{Name: "a"}, []api.CustomHealthCheck{
		check("example.org/v1", "", "status.phase == 'Ready'", "status.phase == 'Busy'", "status.phase in ['Broken', 'Busy']"),
	})
	if err != nil || rules == nil {
		t.Fatal(rules, err)
	}
	j := NewJudges(apply.NewRules)
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
	j, owner := NewJudges(apply.NewRules), apply.Owner{Name: "a"}
	of := func(current string) *apply.Rules {
		rules, err := j.Of(owner, []api.CustomHealthCheck{check("v1", "ConfigMap", current, "", "")})
		if err != nil {
			t.Fatal(err)
		}
		return rules
	}
	first := of("true")
	if of("true") != first || of("false") == first {
		t.Error("rules are the same as long as the expressions are")
	}
	if rules, err := j.Of(owner, nil); rules != nil || err != nil || len(j.rules) != 0 {
		t.Error("the rules are still kept", rules, err)
	}
	of("true")
	j.Forget(owner)
	if len(j.rules) != 0 {
		t.Error("the rules are still kept")
	}
}
