package v2

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SnapshotAPIVersion is the format of the digests in the snapshots that are written
// now. Others are not checked against the release's records.
const SnapshotAPIVersion = "v2"

// Snapshots lists revisions of a release, newest first.
type Snapshots []*Snapshot

// Snapshot is a revision of a release as it was recorded when last seen.
type Snapshot struct {
	// APIVersion is the format of digest. Empty means the one before v2.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`

	// Digest of the release's record, as <algorithm>:<hex>. A record that does
	// not match it was changed by somebody else.
	// +required
	Digest string `json:"digest"`

	// Name of the release.
	// +required
	Name string `json:"name"`

	// Namespace that the release is in.
	// +required
	Namespace string `json:"namespace"`

	// Version is the number of the revision.
	// +required
	Version int `json:"version"`

	// Status of the revision in the words of Helm, such as deployed, superseded
	// or failed.
	// +required
	Status string `json:"status"`

	// Action that made this revision: install, upgrade, rollback, uninstall or
	// uninstall-remediation.
	// +optional
	Action ReleaseAction `json:"action,omitempty"`

	// ChartName is the name of the chart.
	// +required
	ChartName string `json:"chartName"`

	// ChartVersion is the version of the chart, with a part of its digest where it
	// came from a registry.
	// +required
	ChartVersion string `json:"chartVersion"`

	// AppVersion is the version of the application, as the chart tells it.
	// +optional
	AppVersion string `json:"appVersion,omitempty"`

	// ConfigDigest is the digest of the values.
	// +required
	ConfigDigest string `json:"configDigest"`

	// FirstDeployed is when the release was first installed.
	// +required
	FirstDeployed metav1.Time `json:"firstDeployed"`

	// LastDeployed is when this revision was installed.
	// +required
	LastDeployed metav1.Time `json:"lastDeployed"`

	// Deleted is when the release was uninstalled.
	// +optional
	Deleted *metav1.Time `json:"deleted,omitempty"`

	// TestHooks tells how the tests of this revision ended, by name. Absent means
	// that they have not been run; empty, that there are none.
	// +optional
	TestHooks *map[string]TestHookStatus `json:"testHooks,omitempty"`

	// OCIDigest is the digest of the chart, where it came from a registry.
	// +optional
	OCIDigest string `json:"ociDigest,omitempty"`
}

// TestHookStatus tells how a test ended. All fields are empty if it was not run.
type TestHookStatus struct {
	// LastStarted is when the test was last started.
	// +optional
	LastStarted *metav1.Time `json:"lastStarted,omitempty"`

	// LastCompleted is when the test was last over.
	// +optional
	LastCompleted *metav1.Time `json:"lastCompleted,omitempty"`

	// Phase is how the test ended: Succeeded or Failed; or Running or Unknown.
	// +optional
	Phase string `json:"phase,omitempty"`
}

// Phases of a test that decide something.
const (
	TestSucceeded = "Succeeded"
	TestFailed    = "Failed"
)

// Sorted returns the snapshots newest first. s is not changed.
func (s Snapshots) Sorted() Snapshots {
	out := slices.Clone(s)
	slices.SortStableFunc(out, func(a, b *Snapshot) int { return cmp.Compare(b.Version, a.Version) })
	return out
}

// Latest returns the newest snapshot, nil if there is none.
func (s Snapshots) Latest() *Snapshot {
	if len(s) == 0 {
		return nil
	}
	return s.Sorted()[0]
}

// Previous returns the snapshot that a rollback would go to: the newest before the
// latest that worked and, unless ignoreTests, has no failed test. It is nil if there
// is none.
func (s Snapshots) Previous(ignoreTests bool) *Snapshot {
	sorted := s.Sorted()
	if i := sorted.previous(ignoreTests); i > 0 {
		return sorted[i]
	}
	return nil
}

// Truncated returns what is still needed, newest first: everything down to the
// snapshot that a rollback would go to or, if there is none, the newest few.
func (s Snapshots) Truncated(ignoreTests bool) Snapshots {
	sorted := s.Sorted()
	if i := sorted.previous(ignoreTests); i > 0 {
		return sorted[:i+1]
	}
	return sorted.Newest(DefaultMaxHistory)
}

// Newest returns the n newest snapshots.
func (s Snapshots) Newest(n int) Snapshots {
	sorted := s.Sorted()
	return sorted[:min(n, len(sorted))]
}

// previous finds the rollback target in sorted snapshots, 0 if there is none.
func (s Snapshots) previous(ignoreTests bool) int {
	for i := 1; i < len(s); i++ {
		if s[i].worked() && (ignoreTests || !s[i].HasTestInPhase(TestFailed)) {
			return i
		}
	}
	return 0
}

func (s *Snapshot) worked() bool { return s.Status == "deployed" || s.Status == "superseded" }

// String names the revision as <namespace>/<name>.v<version>.
func (s *Snapshot) String() string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%s/%s.v%d", s.Namespace, s.Name, s.Version)
}

// Chart names the chart as <name>@<version>.
func (s *Snapshot) Chart() string {
	if s == nil {
		return ""
	}
	return s.ChartName + "@" + s.ChartVersion
}

// Targets says whether this is the given revision of the given release.
func (s *Snapshot) Targets(name, namespace string, version int) bool {
	return s != nil && s.Name == name && s.Namespace == namespace && s.Version == version
}

// Tests returns the tests, nil if they have not been run.
func (s *Snapshot) Tests() map[string]TestHookStatus {
	if s == nil || s.TestHooks == nil {
		return nil
	}
	return *s.TestHooks
}

// HasTestInPhase says whether a test ended in the given phase.
func (s *Snapshot) HasTestInPhase(phase string) bool {
	for _, t := range s.Tests() {
		if t.Phase == phase {
			return true
		}
	}
	return false
}

// HasBeenTested says whether the tests have been run to an end: one failed, all
// succeeded, or there are none.
func (s *Snapshot) HasBeenTested() bool {
	if s == nil || s.TestHooks == nil {
		return false
	}
	if s.HasTestInPhase(TestFailed) {
		return true
	}
	for _, t := range s.Tests() {
		if t.Phase != TestSucceeded {
			return false
		}
	}
	return true
}
