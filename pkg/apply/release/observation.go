package release

import "time"

// Observation is a revision as it was read or written, without what takes space: a few
// hundred bytes.
type Observation struct {
	Name, Namespace string
	Version         int
	Status          Status
	Description     string

	ChartName, ChartVersion, AppVersion string
	// ConfigDigest is that of the values that the user gave.
	ConfigDigest string
	Method       Method // empty if the writer did not know any

	FirstDeployed, LastDeployed, Deleted time.Time

	// Tests are the tests of the revision by name, nil if it has none.
	Tests map[string]HookRun

	// Digest is that of section 2.12.
	Digest string

	// Attempt is that of the action of ours that wrote the revision last, or that is
	// under way with it; empty if somebody else has written it since.
	Attempt string
	// Action is what that action is.
	Action Action
	// Underway says that it has not ended: [Releaser.Continue] goes on with it.
	Underway bool
	// Failure is why it has failed.
	Failure string
	// Began is when it did, and Ended when it ended.
	Began, Ended time.Time

	// Own says that nobody has written the Secret since this process did.
	Own bool

	// Gone says that the Secret was deleted; the rest is what it was before.
	Gone bool
}

// HookRun is how a hook was run last.
type HookRun struct {
	Started, Completed time.Time
	Phase              Phase
}

// Tag is what the digest of an observation is made with, beside the revision.
type Tag struct {
	// Digest is one that was made before: its algorithm is used again. Empty means
	// the configured one.
	Digest string
	// OCIDigest is that of the snapshot.
	OCIDigest string
}
