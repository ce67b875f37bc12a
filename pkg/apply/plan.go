package apply

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Request is what [Applier.Plan] decides about.
type Request struct {
	Owner Owner
	// Objects are the desired objects. Plan takes them over and edits them.
	Objects []*unstructured.Unstructured
	// Inventory is that of the last pass.
	Inventory Inventory
	// CommonLabels and CommonAnnotations are set on every object and win over what
	// it has.
	CommonLabels, CommonAnnotations map[string]string
	// Ignore are the rules of spec.ignore.
	Ignore []IgnoreRule
	// Rules judge the health of kinds that the general rules do not fit.
	Rules Rules
	// Force replaces objects whose change the API server refuses as immutable.
	Force bool
	// Resync compares every object with the server, whatever is remembered.
	Resync bool
}

// IgnoreRule names fields whose drift is left alone in existing objects.
type IgnoreRule struct {
	// Paths are JSON pointers.
	Paths []string
	// Match says which objects; nil means all of them.
	Match func(*unstructured.Unstructured) bool
}

// Plan is what has to be done for one owner.
type Plan struct {
	Owner Owner
	// Inventory has every desired object, in stage and sort order.
	Inventory Inventory
	// Additions are the entries that the last inventory lacks. They must be saved
	// before Apply, so that a crash orphans nothing.
	Additions Inventory
	// Stale are the entries of the last inventory that are not desired any more.
	Stale Inventory
}

// Unchanged says that applying the plan would send nothing: every object is as it
// was left, and nothing is stale.
func (p *Plan) Unchanged() bool { return false }

// Plan compares what is wanted with what is remembered. It prepares the objects
// (labels, normal form), and fails on those that may not be sent at all, such as
// Secrets that are still encrypted. It writes nothing. The only requests are first
// lists of kinds that were not watched so far, and reads of kinds that cannot be.
func (a *Applier) Plan(ctx context.Context, r Request) (*Plan, error) { return nil, errUnfinished }
