package release

import (
	"time"

	digest "github.com/opencontainers/go-digest"
	"helm.sh/helm/v3/pkg/chart"
	helm "helm.sh/helm/v3/pkg/release"

	"github.com/fluxd/fluxd/pkg/apply"
)

// Names of Helm's that cross to who has no business with Helm.
type (
	// Chart is a chart that is loaded.
	Chart = chart.Chart
	// Hook is a hook as it is rendered.
	Hook = helm.Hook
	// Status is that of a stored revision.
	Status = helm.Status
	// Phase is that of a hook.
	Phase = helm.HookPhase
)

// Config is what a [Releaser] is made of.
type Config struct {
	// Algorithm is that of the digests of new observations; empty means sha256.
	Algorithm digest.Algorithm
	// ConfigDigest digests the values of a revision as section 2.20 says.
	ConfigDigest func(values map[string]any) string
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

// Releaser acts on releases. It is safe for concurrent use by passes over different
// owners.
type Releaser struct {
	cfg  Config
	memo *memo
}

// New returns a releaser. It needs no end.
func New(cfg Config) *Releaser {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Algorithm == "" {
		cfg.Algorithm = digest.SHA256
	}
	return &Releaser{cfg: cfg, memo: newMemo()}
}

// Forget drops everything that is remembered of an owner.
func (r *Releaser) Forget(owner apply.Owner) { r.memo.forget(owner) }

// Target is a release: where it is, and as whom it is acted on.
type Target struct {
	// Owner is whose release it is.
	Owner apply.Owner
	// Name and Namespace are those of the release, as Helm knows it. Once it is
	// installed, the namespace is the one that is stored.
	Name, Namespace string
	// Storage is the namespace of its Secrets.
	Storage string
	// Applier writes its objects, and Secrets its Secrets, with the same identity.
	Applier *apply.Applier
	Secrets Secrets
	// Health judges its objects; nil means the general rules. Keep one as long as the
	// spec that it is made from is the same.
	Health *Health
	// Tags are what the digests of revisions are made with, by their numbers; of the
	// one that an action makes [Options.OCIDigest] says it.
	Tags map[int]Tag
	// Vouch says whether a revision is one that the owner knows. It is for records that
	// others may write who may not do what the owner may: what they have written is not
	// gone on with, and its hooks are not run. Whoever vouches, nothing is deleted then that
	// does not carry the labels of the owner. Nil vouches for all.
	Vouch func(Observation) bool
}

// Rendered is what a new revision is made of.
type Rendered struct {
	// Chart is stored with the revision, as it was rendered.
	Chart *Chart
	// Values are those that the user gave.
	Values map[string]any
	// Manifest has the objects, in the order in which Helm stores them.
	Manifest string
	Hooks    []*Hook
	Notes    string
	// CRDs are the files of the crds folders, which become part of the inventory.
	CRDs []string
}

// Wait is how an action finds out whether its objects are ready.
type Wait uint8

const (
	// WaitPoller goes by the general rules of health, and fails as soon as an object has.
	WaitPoller Wait = iota
	// WaitLegacy goes by the rules of Helm 3, and fails when time is up.
	WaitLegacy
	// WaitHooks waits for nothing but hooks.
	WaitHooks
)

// Options are what the actions have in common. Those with which an action began hold
// until it ends.
type Options struct {
	// Attempt tells this action from every other, such as <uid>/<generation>/install.
	Attempt string
	// OCIDigest becomes part of the digest of the observations.
	OCIDigest string
	// Timeout is that of each wait and of each hook.
	Timeout      time.Duration
	Wait         Wait
	WaitForJobs  bool
	DisableHooks bool
}

// Method is how objects are written.
type Method string

// The methods, as Helm 4 stores them.
const (
	ServerSide Method = "ssa"
	ClientSide Method = "csa"
)

// MethodOf returns the method that a revision goes on with: the one that is asked for,
// or if that is empty the one stored, where none means client-side.
func MethodOf(asked, stored Method) Method {
	switch {
	case asked != "":
		return asked
	case stored == ServerSide:
		return ServerSide
	}
	return ClientSide
}
