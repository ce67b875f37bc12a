package helmrelease

import (
	"testing"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// object returns a HelmRelease in its third generation, changed by edits.
func object(edits ...func(*v2.HelmRelease)) *v2.HelmRelease {
	obj := &v2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 3}}
	obj.Status.ObservedGeneration = 3
	for _, edit := range edits {
		edit(obj)
	}
	return obj
}

// with puts snapshots into the history.
func with(list ...*v2.Snapshot) func(*v2.HelmRelease) {
	return func(obj *v2.HelmRelease) { obj.Status.History = list }
}

// shot returns the snapshot of a revision with the digest that digests gives it.
func shot(version int, status string, edits ...func(*v2.Snapshot)) *v2.Snapshot {
	s := &v2.Snapshot{
		APIVersion: v2.SnapshotAPIVersion, Digest: "sha256:of-" + status, Name: "web", Namespace: "apps", Version: version,
		Status: status, ChartName: "podinfo", ChartVersion: "1.0.0", ConfigDigest: "sha256:values",
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

func testsIn(phases ...string) func(*v2.Snapshot) {
	return func(s *v2.Snapshot) {
		hooks := map[string]v2.TestHookStatus{}
		for i, phase := range phases {
			hooks[string(rune('a'+i))] = v2.TestHookStatus{Phase: phase}
		}
		s.TestHooks = &hooks
	}
}

func stored(version int, status release.Status) *release.Observation {
	return &release.Observation{
		Name: "web", Namespace: "apps", Version: version, Status: status, ChartName: "podinfo", ChartVersion: "1.0.0",
		Digest: "sha256:of-" + string(status),
	}
}

func enableTests(obj *v2.HelmRelease) { obj.Spec.Test = &v2.Test{Enable: true} }

func attempted(a v2.ReleaseAction, failures int64) func(*v2.HelmRelease) {
	return func(obj *v2.HelmRelease) {
		obj.Status.LastAttemptedReleaseAction = a
		obj.Status.Failures = failures
		if a == v2.ActionInstall {
			obj.Status.InstallFailures = failures
		} else {
			obj.Status.UpgradeFailures = failures
		}
	}
}

// TestDetermine is the table of what a release is in comparison with what is wanted.
func TestDetermine(t *testing.T) {
	want := wanted{chartName: "podinfo", chartVersion: "1.0.0", config: "sha256:values"}
	tests := map[string]struct {
		obj  *v2.HelmRelease
		last *release.Observation
		want func(*wanted)
		is   state
		why  string
		err  bool
	}{
		"nothing stored":                  {obj: object(), is: absent, why: "no release in storage for object"},
		"what was recorded is gone":       {obj: object(with(shot(1, "deployed"))), is: absent, why: "no release in storage for object"},
		"in sync":                         {obj: object(with(shot(1, "deployed"))), last: stored(1, "deployed"), is: inSync},
		"an install is pending":           {obj: object(), last: stored(1, "pending-install"), is: locked, why: "release with status 'pending-install'"},
		"an upgrade is pending":           {obj: object(with(shot(1, "deployed"))), last: stored(2, "pending-upgrade"), is: locked, why: "release with status 'pending-upgrade'"},
		"a rollback is pending":           {obj: object(with(shot(1, "deployed"))), last: stored(2, "pending-rollback"), is: locked, why: "release with status 'pending-rollback'"},
		"somebody's":                      {obj: object(), last: stored(4, "deployed"), is: unmanaged, why: "found existing release in storage"},
		"somebody's, which failed":        {obj: object(), last: stored(4, "failed"), is: unmanaged, why: "found existing release in storage"},
		"somebody's, uninstalled":         {obj: object(), last: stored(4, "uninstalled"), is: absent, why: "found uninstalled release in storage"},
		"changed by somebody":             {obj: object(with(shot(1, "deployed"))), last: stored(2, "superseded"), is: unmanaged},
		"a digest that is none":           {obj: object(with(shot(1, "deployed", func(s *v2.Snapshot) { s.Digest = "x" }))), last: stored(1, "deployed"), is: unmanaged},
		"an older format is not compared": {obj: object(with(shot(1, "deployed", func(s *v2.Snapshot) { s.APIVersion, s.Digest = "v1", "x" }))), last: stored(1, "deployed"), is: inSync},
		"no format is not compared":       {obj: object(with(shot(1, "deployed", func(s *v2.Snapshot) { s.APIVersion, s.Digest = "", "x" }))), last: stored(1, "deployed"), is: inSync},
		"failed":                          {obj: object(with(shot(1, "failed"))), last: stored(1, "failed"), is: failed, why: "release is in a failed state"},
		"uninstalled":                     {obj: object(with(shot(1, "uninstalled"))), last: stored(1, "uninstalled"), is: absent},
		"uninstalling":                    {obj: object(with(shot(1, "uninstalling"))), last: stored(1, "uninstalling"), err: true},
		"superseded":                      {obj: object(with(shot(1, "superseded"))), last: stored(1, "superseded"), err: true},
		"a status that Helm has not":      {obj: object(with(shot(1, "unknown"))), last: stored(1, "unknown"), err: true},
		"another chart": {
			obj: object(with(shot(1, "deployed"))), last: stored(1, "deployed"),
			want: func(w *wanted) { w.chartName = "nginx" }, is: outOfSync, why: "release chart changed",
		},
		"another version of the chart": {
			obj: object(with(shot(1, "deployed"))), last: stored(1, "deployed"),
			want: func(w *wanted) { w.chartVersion = "1.0.1" }, is: outOfSync, why: "release chart changed",
		},
		"other values": {
			obj: object(with(shot(1, "deployed"))), last: stored(1, "deployed"),
			want: func(w *wanted) { w.config = "sha256:others" }, is: outOfSync, why: "release config values changed",
		},
		"other post-renderers in a new generation": {
			obj: object(with(shot(1, "deployed")), func(o *v2.HelmRelease) { o.Generation = 4 }), last: stored(1, "deployed"),
			want: func(w *wanted) { w.postRenderers = "sha256:p" }, is: outOfSync, why: "postrenderers digest has changed",
		},
		"other post-renderers in a generation that was seen": {
			obj: object(with(shot(1, "deployed"))), last: stored(1, "deployed"),
			want: func(w *wanted) { w.postRenderers = "sha256:p" }, is: inSync,
		},
		"other metadata in a new generation": {
			obj: object(with(shot(1, "deployed")), func(o *v2.HelmRelease) { o.Generation = 4 }), last: stored(1, "deployed"),
			want: func(w *wanted) { w.commonMetadata = "sha256:m" }, is: outOfSync, why: "common metadata digest has changed",
		},
		"other metadata in a generation that was seen": {
			obj: object(with(shot(1, "deployed"))), last: stored(1, "deployed"),
			want: func(w *wanted) { w.commonMetadata = "sha256:m" }, is: inSync,
		},
		"not tested":                            {obj: object(enableTests, with(shot(1, "deployed"))), last: stored(1, "deployed"), is: untested},
		"partly tested":                         {obj: object(enableTests, with(shot(1, "deployed", testsIn("Succeeded", "")))), last: stored(1, "deployed"), is: untested},
		"nothing to test":                       {obj: object(enableTests, with(shot(1, "deployed", testsIn()))), last: stored(1, "deployed"), is: inSync},
		"tested":                                {obj: object(enableTests, with(shot(1, "deployed", testsIn("Succeeded")))), last: stored(1, "deployed"), is: inSync},
		"a test failed, after no action":        {obj: object(enableTests, with(shot(1, "deployed", testsIn("Failed")))), last: stored(1, "deployed"), is: inSync},
		"a test failed after an upgrade":        {obj: object(enableTests, with(shot(1, "deployed", testsIn("Failed"))), attempted(v2.ActionUpgrade, 1)), last: stored(1, "deployed"), is: failed, why: "release has test in failed phase"},
		"a test failed, and tests are disabled": {obj: object(with(shot(1, "deployed", testsIn("Failed"))), attempted(v2.ActionUpgrade, 1)), last: stored(1, "deployed"), is: inSync},
		"a test failed, which is ignored": {
			obj: object(enableTests, with(shot(1, "deployed", testsIn("Failed"))), attempted(v2.ActionUpgrade, 1), func(o *v2.HelmRelease) {
				yes := true
				o.Spec.Upgrade = &v2.Upgrade{Remediation: &v2.UpgradeRemediation{IgnoreTestFailures: &yes}}
			}), last: stored(1, "deployed"), is: inSync,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := want
			if test.want != nil {
				test.want(&w)
			}
			got, err := determine(test.obj, test.last, w)
			if (err != nil) != test.err || got.state != test.is {
				t.Fatalf("state %d (%s), error %v", got.state, got.reason, err)
			}
			if test.why != "" && got.reason != test.why {
				t.Errorf("the reason is %q", got.reason)
			}
		})
	}
}
