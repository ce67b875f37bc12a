package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/install"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

// branch is what was read of the branch: its newest commit, or that of the default
// branch where it is not there yet, or nothing where the repository is empty.
type branch struct {
	reader
	name   string
	commit *git.Commit // nil if the repository is empty
	// onBranch says that the commit is one of the branch.
	onBranch bool
	store    *artifacts.Store
	tree     *artifacts.Tree // nil if the repository is empty
}

// fetch reads the branch.
func (b *bootstrap) fetch(ctx context.Context) (*branch, error) {
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		return nil, err
	}
	name := b.options.Sync.Branch
	found := &branch{reader: nothing{}, name: name, store: store}
	session, err := b.options.Remote.Connect(ctx)
	if errors.Is(err, git.ErrEmpty) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	defer session.Close()
	head, err := session.Resolve(git.Ref{Branch: name})
	found.onBranch = err == nil
	if errors.Is(err, git.ErrRefNotFound) {
		var any bool
		if head, any = session.Default(); !any {
			return found, nil
		}
	} else if err != nil {
		return nil, err
	}
	if found.commit, err = session.Fetch(ctx, head); err != nil {
		return nil, err
	}
	found.reader = found.commit
	snapshot, err := found.commit.Snapshot(ctx, store, git.Checkout{})
	found.tree = snapshot.Tree
	return found, err
}

// String says what was found.
func (b *branch) String() string {
	switch {
	case b.commit == nil:
		return "the repository is empty"
	case !b.onBranch:
		return fmt.Sprintf("the branch %s is not there and will begin at %s", b.name, b.commit.Commit.String()[:8])
	}
	return "found " + b.revision()
}

func (b *branch) revision() string {
	if b.commit == nil || !b.onBranch {
		return ""
	}
	return b.commit.Revision()
}

// build returns what the cluster will build of a folder, with changes to its files.
func (b *branch) build(ctx context.Context, dir string, changes map[string][]byte) (install.Objects, error) {
	builder := b.store.NewBuilder(artifacts.Limits{})
	if b.tree != nil {
		err := fs.WalkDir(b.tree, ".", func(name string, entry fs.DirEntry, err error) error {
			if _, changed := changes[name]; err != nil || entry.IsDir() || changed {
				return err
			}
			return builder.AddFileOf(b.tree, name)
		})
		if err != nil {
			return nil, err
		}
	}
	for name, content := range changes {
		if err := builder.AddFile(path.Clean(name), 0o644, content); err != nil {
			return nil, err
		}
	}
	tree, _, err := builder.Build()
	if err != nil {
		return nil, err
	}
	kustomizer := kustomize.New(kustomize.Config{Repositories: &git.Bases{Store: b.store}})
	return install.BuildTree(ctx, kustomizer, tree, strings.TrimPrefix(dir, "/"))
}
