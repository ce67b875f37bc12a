package helmrelease

import (
	"errors"
	"testing"
	"time"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
)

// The texts are matched by people's alerts and scripts.
func TestMessages(t *testing.T) {
	t.Parallel()
	errNo := errors.New("no")
	s := shot(2, "deployed")
	tested0, tested1, tested2 := shot(2, "deployed", testsIn()), shot(2, "deployed", testsIn("Succeeded")), shot(2, "deployed", testsIn("Succeeded", "Succeeded"))
	long := object(func(o *v2.HelmRelease) { o.Spec.TargetNamespace = "prod" })
	at := func(text string) release.Log { return release.Log{Time: time.Unix(0, 0).UTC(), Text: text} }
	const epoch = "1970-01-01T00:00:00Z: "
	tests := map[string]string{
		lastLogs(nil): "",
		lastLogs([]release.Log{at("a"), at("b"), at("b")}):          "\n\nLast Helm logs:\n\n" + epoch + "a\n" + epoch + "b\n" + epoch + "b",
		lastLogs([]release.Log{at("a"), at("a"), at("a"), at("a")}): "\n\nLast Helm logs:\n\n" + epoch + "a\n" + epoch + "a (2 duplicate line(s) omitted)",
		warned([]string{"one", "two"}):                              "\nwarning: one\nwarning: two",
		running(install, 5*time.Minute):                             "Running 'install' action with timeout of 5m0s",
		running(correctDrift, time.Minute):                          "Running 'correct cluster drift' action with timeout of 1m0s",
		running(uninstallRemediation, time.Minute):                  "Running 'uninstall' action with timeout of 1m0s",
		succeeded("install", s):                                     "Helm install succeeded for release apps/web.v2 with chart podinfo@1.0.0",
		succeeded("uninstall", s):                                   "Helm uninstall succeeded for release apps/web.v2 with chart podinfo@1.0.0",
		attemptFailed(upgrade, long, "podinfo@2.0.0", errNo):        "Helm upgrade failed for release prod/prod-web with chart podinfo@2.0.0: no",
		revisionFailed("uninstall", s, errNo):                       "Helm uninstall failed for release apps/web.v2 with chart podinfo@1.0.0: no",
		revisionFailed("test", s, errNo):                            "Helm test failed for release apps/web.v2 with chart podinfo@1.0.0: no",
		remediated(rollbackVerb, s, nil):                            "Helm rollback to previous release apps/web.v2 with chart podinfo@1.0.0 succeeded",
		remediated(rollbackVerb, s, errNo):                          "Helm rollback to previous release apps/web.v2 with chart podinfo@1.0.0 failed: no",
		remediated(uninstallRemediationVerb, s, nil):                "Helm uninstall remediation for release apps/web.v2 with chart podinfo@1.0.0 succeeded",
		remediated(uninstallRemediationVerb, s, errNo):              "Helm uninstall remediation for release apps/web.v2 with chart podinfo@1.0.0 failed: no",
		unlocked(s, "pending-install", nil):                         "Unlocked Helm release apps/web.v2 with chart podinfo@1.0.0 in pending-install state",
		unlocked(s, "pending-install", errNo):                       "Unlock of Helm release apps/web.v2 with chart podinfo@1.0.0 in pending-install state failed: no",
		awaitingTests(s):                                            "Helm release apps/web.v2 with chart podinfo@1.0.0 is awaiting tests",
		tested(tested0):                                             "Helm test succeeded for release apps/web.v2 with chart podinfo@1.0.0: no test hooks",
		tested(tested1):                                             "Helm test succeeded for release apps/web.v2 with chart podinfo@1.0.0: 1 test hook completed successfully",
		tested(tested2):                                             "Helm test succeeded for release apps/web.v2 with chart podinfo@1.0.0: 2 test hooks completed successfully",
		driftDetected(s, "Service/apps/web removed"):                "Cluster state of release apps/web.v2 has drifted from the desired state:\nService/apps/web removed",
		driftCorrected(s, "Service/apps/web created"):               "Cluster state of release apps/web.v2 has been corrected:\nService/apps/web created",
		correctionFailed(s, "no", ""):                               "Failed to correct cluster state of release apps/web.v2:\nno",
		correctionFailed(s, "no", "Service/apps/web created"):       "Failed to partially correct cluster state of release apps/web.v2:\nno\n\nSuccessful corrections:\nService/apps/web created",
	}
	for got, want := range tests {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
