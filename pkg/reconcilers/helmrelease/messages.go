package helmrelease

import (
	"fmt"
	"strings"
	"time"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
)

// The texts below are what people and tools know. A snapshot names a revision, and the
// chart that it was made from.

func running(a action, timeout time.Duration) string {
	return fmt.Sprintf("Running '%s' action with timeout of %s", a, timeout)
}

func succeeded(verb string, s *v2.Snapshot) string {
	return fmt.Sprintf("Helm %s succeeded for release %s with chart %s", verb, s, s.Chart())
}

// attemptFailed tells of an install or upgrade that failed, of which there may be no
// revision.
func attemptFailed(a action, obj *v2.HelmRelease, chart string, err error) string {
	return fmt.Sprintf("Helm %s failed for release %s/%s with chart %s: %s", a, obj.GetReleaseNamespace(), obj.GetReleaseName(), chart, err)
}

func revisionFailed(verb string, s *v2.Snapshot, err error) string {
	return fmt.Sprintf("Helm %s failed for release %s with chart %s: %s", verb, s, s.Chart(), err)
}

func remediated(verb string, s *v2.Snapshot, err error) string {
	text := fmt.Sprintf("Helm %s %s with chart %s", verb, s, s.Chart())
	if err != nil {
		return fmt.Sprintf("%s failed: %s", text, err)
	}
	return text + " succeeded"
}

const (
	rollbackVerb             = "rollback to previous release"
	uninstallRemediationVerb = "uninstall remediation for release"
)

func unlocked(s *v2.Snapshot, status string, err error) string {
	if err != nil {
		return fmt.Sprintf("Unlock of Helm release %s with chart %s in %s state failed: %s", s, s.Chart(), status, err)
	}
	return fmt.Sprintf("Unlocked Helm release %s with chart %s in %s state", s, s.Chart(), status)
}

func awaitingTests(s *v2.Snapshot) string {
	return fmt.Sprintf("Helm release %s with chart %s is awaiting tests", s, s.Chart())
}

func tested(s *v2.Snapshot) string {
	hooks := "no test hooks"
	switch n := len(s.Tests()); {
	case n == 1:
		hooks = "1 test hook completed successfully"
	case n > 1:
		hooks = fmt.Sprintf("%d test hooks completed successfully", n)
	}
	return fmt.Sprintf("%s: %s", succeeded("test", s), hooks)
}

func driftDetected(s *v2.Snapshot, summary string) string {
	return fmt.Sprintf("Cluster state of release %s has drifted from the desired state:\n%s", s, summary)
}

// noDrift is what Drifted says where there is none.
const noDrift = "No drift detected against the cluster state"

func driftCorrected(s *v2.Snapshot, changes string) string {
	return fmt.Sprintf("Cluster state of release %s has been corrected:\n%s", s, changes)
}

// correctionFailed tells of a correction that failed, changes is what was corrected
// nevertheless.
func correctionFailed(s *v2.Snapshot, failure, changes string) string {
	if changes == "" {
		return fmt.Sprintf("Failed to correct cluster state of release %s:\n%s", s, failure)
	}
	return fmt.Sprintf("Failed to partially correct cluster state of release %s:\n%s\n\nSuccessful corrections:\n%s", s, failure, changes)
}

// lastLogs returns the last lines of what an action did, for the event of its failure.
// Of lines that repeat themselves, two stay.
func lastLogs(logs []release.Log) string {
	if len(logs) == 0 {
		return ""
	}
	var lines []string
	for i := 0; i < len(logs); {
		same := i
		for same < len(logs) && logs[same].Text == logs[i].Text {
			same++
		}
		lines = append(lines, logLine(logs[i]))
		if n := same - i; n > 1 {
			last := logLine(logs[same-1])
			if n > 2 {
				last += fmt.Sprintf(" (%d duplicate line(s) omitted)", n-2)
			}
			lines = append(lines, last)
		}
		i = same
	}
	return "\n\nLast Helm logs:\n\n" + strings.Join(lines, "\n")
}

// warned returns what is to be said beside the outcome of an action, a line each.
func warned(warnings []string) string {
	text := ""
	for _, w := range warnings {
		text += "\nwarning: " + w
	}
	return text
}

func logLine(l release.Log) string { return l.Time.Format(time.RFC3339Nano) + ": " + l.Text }
