// Package sources says what every source yields: a [Snapshot], the files of one
// revision.
//
// Each folder below holds one protocol. They import nothing of Kubernetes, do
// not log and do not know what an error means for an object: they say what
// happened, and the reconcilers say what it means.
package sources

import "github.com/fluxd/fluxd/pkg/artifacts"

// Snapshot is the state of a source at one revision.
type Snapshot struct {
	// Revision names the state, as status.artifact.revision does.
	Revision string
	// Tree holds the files, already filtered.
	Tree *artifacts.Tree
	// Summary is one line for people about this revision, such as the subject of
	// a commit.
	Summary string
	// Warnings tell what was left out of the tree.
	Warnings []artifacts.Warning
}
