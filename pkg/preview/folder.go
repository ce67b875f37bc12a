package preview

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/sources/ignore"
)

// Folder are files that stand for those of a source.
type Folder struct {
	// Name is what people call it.
	Name string
	// Add adds the files for which keep returns true.
	Add func(ctx context.Context, b *artifacts.Builder, keep func(path string) bool) error
}

// Local returns the folder at a path of this machine. The error says that there is
// none.
func Local(dir string) (*Folder, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a directory")}
	}
	if err != nil {
		return nil, err
	}
	return &Folder{Name: dir, Add: func(ctx context.Context, b *artifacts.Builder, keep func(string) bool) error {
		return addLocal(ctx, b, dir, keep)
	}}, nil
}

// addLocal adds the files below dir. What Git keeps of a clone is no part of it.
func addLocal(ctx context.Context, b *artifacts.Builder, dir string, keep func(string) bool) error {
	return filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		below, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(below)
		switch {
		case entry.IsDir() && entry.Name() == ".git":
			return filepath.SkipDir
		case entry.IsDir() || !keep(name):
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(at)
			if err != nil {
				return err
			}
			return b.AddSymlink(name, filepath.ToSlash(target))
		case !entry.Type().IsRegular():
			return nil
		}
		return addFile(b, name, at)
	})
}

func addFile(b *artifacts.Builder, name, at string) error {
	info, err := os.Stat(at)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(at)
	if err != nil {
		return err
	}
	return b.AddFile(name, info.Mode(), content)
}

// folder returns the files of the folder as the source would take them in.
func (s *session) folder(ctx context.Context, source reconcilers.Ref, obj metav1.Object) (reconcilers.Content, error) {
	return s.once(source, "\x00folder", func() (reconcilers.Content, error) {
		how := habitsOf(obj)
		var own ignore.Rules // nothing brings back what the object excludes
		own.Add(".", []byte(how.ignore))
		b := s.world.Store.NewBuilder(s.cfg.Limits)
		err := s.request.Folder.Add(ctx, b, func(name string) bool {
			return path.Base(name) == ignore.File || !own.Excludes(name)
		})
		if err != nil {
			return reconcilers.Content{}, fmt.Errorf("the folder %s: %w", s.request.Folder.Name, err)
		}
		rules, err := ignore.Of(b, how.ignore)
		if err != nil {
			return reconcilers.Content{}, fmt.Errorf("the folder %s: %w", s.request.Folder.Name, err)
		}
		matcher := rules.Matcher()
		if how.bare {
			matcher = rules.Bare()
		}
		b.Keep(func(name string) bool { return !matcher.Excludes(name) && how.selects(name) })
		tree, warnings, err := b.Build()
		if err != nil {
			return reconcilers.Content{}, fmt.Errorf("the folder %s: %w", s.request.Folder.Name, err)
		}
		c := reconcilers.Content{
			Artifact: api.Artifact{Revision: "folder " + s.request.Folder.Name, Digest: tree.Digest()}, Tree: tree, Note: how.note,
		}
		if len(warnings) > 0 {
			c.Note = strings.TrimPrefix(c.Note+"; "+warnings[0].String(), "; ")
		}
		return c, nil
	})
}

// habits are what a source leaves out.
type habits struct {
	ignore string
	bare   bool // without the default rules
	sparse []string
	note   string
}

func habitsOf(obj metav1.Object) habits {
	var h habits
	var own *string
	switch o := obj.(type) {
	case *sourcev1.GitRepository:
		own, h.sparse = o.Spec.Ignore, o.Spec.SparseCheckout
		if len(o.Spec.Include) > 0 {
			h.note = "what the GitRepository includes of others is not part of the folder"
		}
	case *sourcev1.OCIRepository:
		own = o.Spec.Ignore
	case *sourcev1.Bucket:
		own, h.bare = o.Spec.Ignore, true
	}
	if own != nil {
		h.ignore = *own
	}
	return h
}

// selects says whether a sparse checkout has the file.
func (h habits) selects(name string) bool {
	if len(h.sparse) == 0 {
		return true
	}
	for _, prefix := range h.sparse {
		if strings.HasPrefix(name, strings.TrimPrefix(prefix, "./")) {
			return true
		}
	}
	return false
}
