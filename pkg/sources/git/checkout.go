package git

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources"
	"github.com/fluxd/fluxd/pkg/sources/ignore"
)

// Checkout says which files of a commit become a snapshot.
type Checkout struct {
	// Ignore holds patterns in the form of a gitignore file.
	Ignore string
	// Sparse selects files by the beginning of their path; empty selects all.
	Sparse []string
	// Submodules adds the files of submodules, at any depth.
	Submodules bool
}

// maxSummary is how much of a commit's subject a snapshot repeats, in
// characters.
const maxSummary = 50

// Snapshot returns the files of the commit that checkout selects.
func (c *Commit) Snapshot(ctx context.Context, store *artifacts.Store, checkout Checkout) (sources.Snapshot, error) {
	snapshot := sources.Snapshot{Revision: c.Revision(), Summary: c.summary()}
	w := &walker{limits: c.remote.Limits}
	if err := w.commit(ctx, c, ".", checkout.Submodules, 0); err != nil {
		return snapshot, err
	}
	if err := w.narrow(checkout.Sparse); err != nil {
		return snapshot, err
	}
	tree, warnings, err := w.build(store, checkout.Ignore)
	if err != nil {
		return snapshot, fmt.Errorf("unable to check out '%s': %w", c.remote.safeURL(), err)
	}
	snapshot.Tree, snapshot.Warnings = tree, append(w.warnings, warnings...)
	return snapshot, nil
}

func (c *Commit) summary() string {
	subject, _, _ := strings.Cut(strings.TrimSpace(c.commit.Message), "\n")
	if runes := []rune(subject); len(runes) > maxSummary {
		return string(runes[:maxSummary]) + "..."
	}
	return subject
}

// walker collects the files of a commit and of its submodules.
type walker struct {
	limits   artifacts.Limits
	found    []found
	warnings []artifacts.Warning
}

// found is one file and where its content is.
type found struct {
	path string
	mode filemode.FileMode
	hash plumbing.Hash
	from *pack
}

// maxNesting bounds the depth of directories while they are walked.
const maxNesting = 128

func (w *walker) commit(ctx context.Context, c *Commit, at string, submodules bool, depth int) error {
	root, err := c.commit.Tree()
	if err != nil {
		return fmt.Errorf("read the files of '%s': %w", c.remote.safeURL(), err)
	}
	modules := newModules(c, root, submodules, depth)
	return w.tree(ctx, root, c.store, at, ".", modules)
}

// tree walks one directory. at is where it goes in the snapshot, rel where it is
// in its repository.
func (w *walker) tree(ctx context.Context, t *object.Tree, store *pack, at, rel string, m *modules) error {
	if strings.Count(rel, "/") > maxNesting {
		return fmt.Errorf("%w: %q is nested deeper than %d", ErrTooLarge, rel, maxNesting)
	}
	for _, e := range t.Entries {
		if e.Name == "" || e.Name == "." || e.Name == ".." || strings.Contains(e.Name, "/") {
			return fmt.Errorf("%w %q in the directory %q", artifacts.ErrBadPath, e.Name, rel) // Git itself makes none
		}
		name, inside := path.Join(at, e.Name), path.Join(rel, e.Name)
		switch e.Mode {
		case filemode.Dir:
			below, err := object.GetTree(store, e.Hash)
			if err != nil {
				return fmt.Errorf("read the directory %q: %w", inside, err)
			}
			if err := w.tree(ctx, below, store, name, inside, m); err != nil {
				return err
			}
		case filemode.Submodule:
			if err := w.submodule(ctx, m, inside, name, e.Hash); err != nil {
				return err
			}
		default:
			w.found = append(w.found, found{path: name, mode: e.Mode, hash: e.Hash, from: store})
		}
	}
	return nil
}

// narrow keeps what sparse selects. Every entry must be a file or a folder: one that merely
// is the beginning of a name is a typing error.
func (w *walker) narrow(sparse []string) error {
	if len(sparse) == 0 {
		return nil
	}
	kept := w.found[:0:0]
	exists := make([]bool, len(sparse))
	for _, f := range w.found {
		keep := false
		for i, prefix := range sparse {
			prefix = strings.TrimPrefix(prefix, "./")
			if strings.HasPrefix(f.path, prefix) {
				keep = true
				exists[i] = exists[i] || within(f.path, path.Clean(prefix))
			}
		}
		if keep {
			kept = append(kept, f)
		}
	}
	for i, ok := range exists {
		if !ok {
			return fmt.Errorf("%w: the sparse checkout path %q does not exist", ErrRefNotFound, sparse[i])
		}
	}
	w.found = kept
	return nil
}

// within says whether a file is a path or below it.
func within(file, at string) bool {
	return at == "." || file == at || strings.HasPrefix(file, at+"/")
}

func (w *walker) build(store *artifacts.Store, patterns string) (*artifacts.Tree, []artifacts.Warning, error) {
	var rules ignore.Rules
	for _, f := range w.found {
		if path.Base(f.path) != ignore.File || f.mode == filemode.Symlink {
			continue
		}
		content, err := f.content()
		if err != nil {
			return nil, nil, err
		}
		rules.Add(path.Dir(f.path), content)
	}
	rules.Add(".", []byte(patterns))
	matcher, builder := rules.Matcher(), store.NewBuilder(w.limits)
	for _, f := range w.found {
		if matcher.Excludes(f.path) {
			continue
		}
		content, err := f.content()
		if err != nil {
			return nil, nil, err
		}
		if f.mode == filemode.Symlink {
			err = builder.AddSymlink(f.path, string(content))
		} else {
			mode, modeErr := f.mode.ToOSFileMode()
			if modeErr != nil {
				return nil, nil, fmt.Errorf("%q has a mode that files do not have: %w", f.path, modeErr)
			}
			err = builder.AddFile(f.path, mode, content)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return builder.Build()
}

func (f found) content() ([]byte, error) {
	content, err := f.from.blob(f.hash)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", f.path, err)
	}
	return content, nil
}
