package release

import "errors"

// Action is what is done with a release.
type Action string

// The actions that have steps.
const (
	ActionInstall   Action = "install"
	ActionUpgrade   Action = "upgrade"
	ActionRollback  Action = "rollback"
	ActionUninstall Action = "uninstall"
	ActionTest      Action = "test"
	ActionUnlock    Action = "unlock"
)

// Sentinels of actions that could not begin. Nothing was written.
var (
	// ErrNoRelease says that there is no revision of the release.
	ErrNoRelease = errors.New("release: not found")
	// ErrName says that a text is no name for a release.
	ErrName = errors.New("invalid release name, must consist of lower case letters, digits, dashes and dots and not exceed 53 characters")
	// ErrNoChart says that a revision has no chart, or one without metadata.
	ErrNoChart = errors.New("no chart provided")
	// ErrNoDeployed says that there is no revision to upgrade.
	ErrNoDeployed = errors.New("has no deployed releases")
	// ErrNameInUse says that a release of the name exists already.
	ErrNameInUse = errors.New("cannot reuse a name that is still in use")
	// ErrPending says that another action on the release is under way.
	ErrPending = errors.New("another operation (install/upgrade/rollback) is in progress")
	// ErrMoved says that the release is not at the revision that the caller knows.
	ErrMoved = errors.New("the release has got another revision in the meantime")
	// ErrAlreadyUninstalled says that the last revision is kept as one that was
	// uninstalled.
	ErrAlreadyUninstalled = errors.New("is already deleted")
	// ErrNothingUnderway says that no action of the caller is under way.
	ErrNothingUnderway = errors.New("no action on the release is under way")
)

// Install is a first revision.
type Install struct {
	Options
	Rendered
	Method Method // empty means server-side
	// Replace allows a name whose last revision has failed or is uninstalled.
	Replace bool
	// CreateNamespace creates the namespace of the release if there is none.
	CreateNamespace bool
	// TakeOwnership takes over objects that exist although no release or another one
	// has them.
	TakeOwnership bool
}

// Upgrade is a revision after others.
type Upgrade struct {
	Options
	Rendered
	// Revision is the number that it was rendered with; see [Observation.Version].
	Revision int
	// Method is how objects are written; see [MethodOf].
	Method Method
	// Force replaces objects instead of patching them. It has no effect server-side.
	Force         bool
	TakeOwnership bool
	// CleanupOnFail deletes what the upgrade created if it fails.
	CleanupOnFail bool
	// MaxHistory is how many revisions are kept; 0 means all.
	MaxHistory int
}

// Rollback is a revision that repeats an earlier one.
type Rollback struct {
	Options
	// Version is the earlier one.
	Version int
	// Method is how objects are written; empty means that of the earlier revision.
	Method        Method
	Force         bool
	CleanupOnFail bool
	MaxHistory    int
}

// Uninstall takes the objects of a release out of the cluster.
type Uninstall struct {
	Options // Wait: WaitHooks does not wait until the objects are gone
	// KeepHistory keeps the revisions.
	KeepHistory bool
	// Propagation is what happens to dependents: background, foreground or orphan.
	Propagation string
}

// Test runs the tests of the last revision.
type Test struct {
	Options
	// Include names the tests to run, all if empty; Exclude those to leave out.
	Include, Exclude []string
}
