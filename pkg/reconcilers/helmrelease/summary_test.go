package helmrelease

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func sha256Line(line string) string {
	sum := sha256.Sum256([]byte(line + "\n"))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func condition(kind string, status metav1.ConditionStatus, reason string, generation int64) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: "said by " + kind, ObservedGeneration: generation}
}

func TestSummarise(t *testing.T) {
	released := condition(api.ConditionReleased, "True", "UpgradeSucceeded", 3)
	unreleased := condition(api.ConditionReleased, "False", "UpgradeFailed", 3)
	rolledBack := condition(api.ConditionRemediated, "True", "RollbackSucceeded", 3)
	testFailed := condition(api.ConditionTestSuccess, "False", "TestFailed", 3)
	old := func(c metav1.Condition) metav1.Condition { c.ObservedGeneration = 2; return c }
	ignored := func(obj *v2.HelmRelease) { obj.Spec.Test = &v2.Test{Enable: true, IgnoreFailures: true} }
	tests := map[string]struct {
		obj  *v2.HelmRelease
		list []metav1.Condition
		want string // nothing if empty
	}{
		"nothing done yet":           {object(), nil, ""},
		"others do not count":        {object(), []metav1.Condition{condition("Ready", "True", "Old", 3), condition("Drifted", "True", "DriftDetected", 3), condition("Stalled", "True", "X", 3)}, ""},
		"released":                   {object(), []metav1.Condition{condition("Ready", "False", "Old", 3), released}, "True UpgradeSucceeded: said by Released"},
		"not released":               {object(), []metav1.Condition{unreleased}, "False UpgradeFailed: said by Released"},
		"a remediation is not ready": {object(), []metav1.Condition{unreleased, rolledBack}, "False RollbackSucceeded: said by Remediated"},
		"an older remediation":       {object(), []metav1.Condition{released, old(rolledBack)}, "True UpgradeSucceeded: said by Released"},
		"an older release":           {object(), []metav1.Condition{old(unreleased), rolledBack}, "False RollbackSucceeded: said by Remediated"},
		"a failed test":              {object(enableTests), []metav1.Condition{released, testFailed}, "False TestFailed: said by TestSuccess"},
		"tests are disabled":         {object(), []metav1.Condition{released, testFailed}, "True UpgradeSucceeded: said by Released"},
		"failures are ignored":       {object(ignored), []metav1.Condition{released, testFailed}, "True UpgradeSucceeded: said by Released"},
		"tests of an older release":  {object(enableTests), []metav1.Condition{released, old(testFailed)}, "True UpgradeSucceeded: said by Released"},
		"a remediation after tests":  {object(enableTests), []metav1.Condition{released, testFailed, rolledBack}, "False RollbackSucceeded: said by Remediated"},
		"what is older cannot pass":  {object(enableTests), []metav1.Condition{released, old(testFailed), old(rolledBack)}, "True UpgradeSucceeded: said by Released"},
		"awaiting tests": {
			object(enableTests), []metav1.Condition{released, condition(api.ConditionTestSuccess, "Unknown", "AwaitingTests", 3)}, "Unknown AwaitingTests: said by TestSuccess",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if s := summarise(test.obj, test.list); s != nil {
				got = fmt.Sprintf("%s %s: %s", s.Status, s.Reason, s.Message)
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func versions(list v2.Snapshots) []string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%d %s %s", s.Version, s.Status, s.Action))
	}
	return out
}

func TestRevise(t *testing.T) {
	by := func(a v2.ReleaseAction) func(*v2.Snapshot) { return func(s *v2.Snapshot) { s.Action = a } }
	tests := map[string]struct {
		history v2.Snapshots
		shot    *v2.Snapshot
		want    []string
	}{
		"the first":                {nil, shot(1, "deployed", by(v2.ActionInstall)), []string{"1 deployed install"}},
		"a newer one":              {v2.Snapshots{shot(1, "deployed")}, shot(2, "pending-upgrade", by(v2.ActionUpgrade)), []string{"2 pending-upgrade upgrade", "1 deployed "}},
		"an older one is replaced": {v2.Snapshots{shot(2, "deployed"), shot(1, "deployed", by(v2.ActionInstall))}, shot(1, "superseded"), []string{"2 deployed ", "1 superseded install"}},
		"one of another release":   {v2.Snapshots{shot(1, "deployed")}, shot(1, "deployed", func(s *v2.Snapshot) { s.Name = "other" }), []string{"1 deployed ", "1 deployed "}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := versions(test.history)
			if diff := cmp.Diff(test.want, versions(revise(test.history, test.shot))); diff != "" {
				t.Errorf("history (-want +got): %s", diff)
			}
			if diff := cmp.Diff(before, versions(test.history)); diff != "" {
				t.Errorf("the old history was changed: %s", diff)
			}
		})
	}
	old := shot(1, "deployed", testsIn("Succeeded"), func(s *v2.Snapshot) { s.OCIDigest = "sha256:chart" })
	got := revise(v2.Snapshots{old}, shot(1, "superseded"))[0]
	if got.OCIDigest != "sha256:chart" || !got.HasBeenTested() {
		t.Errorf("what only the status knew is lost: %+v", got)
	}
}

func TestTruncate(t *testing.T) {
	six := func(obj *v2.HelmRelease) {
		for v := 6; v > 0; v-- {
			obj.Status.History = append(obj.Status.History, shot(v, "superseded"))
		}
	}
	tests := map[string]struct {
		obj  *v2.HelmRelease
		want int
	}{
		"down to what a rollback goes to":     {object(six), 2},
		"the newest where the strategy is to": {object(six, attempted(v2.ActionUpgrade, 1), retryUpgrades), 5},
		"a failed test is passed over":        {object(with(shot(3, "deployed"), shot(2, "superseded", testsIn("Failed")), shot(1, "superseded"))), 3},
		"unless failed tests are ignored":     {object(with(shot(3, "deployed"), shot(2, "superseded", testsIn("Failed")), shot(1, "superseded")), func(o *v2.HelmRelease) { o.Spec.Test = &v2.Test{IgnoreFailures: true} }), 2},
		"the remediation says otherwise again": {object(with(shot(3, "deployed"), shot(2, "superseded", testsIn("Failed")), shot(1, "superseded")), attempted(v2.ActionUpgrade, 1), func(o *v2.HelmRelease) {
			no := false
			o.Spec.Test = &v2.Test{IgnoreFailures: true}
			o.Spec.Upgrade = &v2.Upgrade{Remediation: &v2.UpgradeRemediation{IgnoreTestFailures: &no}}
		}), 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := len((policy{}).truncate(test.obj)); got != test.want {
				t.Errorf("%d are left, want %d", got, test.want)
			}
		})
	}
}

func TestSelects(t *testing.T) {
	only, without := v2.Filter{Name: "a"}, v2.Filter{Name: "a", Exclude: true}
	tests := map[string]struct {
		filters []v2.Filter
		name    string
		want    bool
	}{
		"no filter":              {nil, "a", true},
		"on the list":            {[]v2.Filter{only}, "a", true},
		"not on the list":        {[]v2.Filter{only}, "b", false},
		"excluded":               {[]v2.Filter{without}, "a", false},
		"others are not":         {[]v2.Filter{without}, "b", true},
		"exclusion wins":         {[]v2.Filter{only, without}, "a", false},
		"and the list is a list": {[]v2.Filter{only, {Name: "c", Exclude: true}}, "b", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := selects(test.filters, test.name); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
