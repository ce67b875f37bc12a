package decrypt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// Files are what a build reads, with room for edits. Paths are absolute and cannot
// leave what is there.
type Files interface {
	ReadFile(path string) ([]byte, error)
	WriteFile(path string, content []byte) error
	Exists(path string) bool
	IsDir(path string) bool
}

// Files decrypts the files that the kustomization in dir, and those that it names as
// resources and components, generate Secrets from or patch with. Files that are not
// encrypted are left alone. The root is what messages leave out of paths.
func (d *Decrypter) Files(ctx context.Context, files Files, root, dir string) error {
	s := &sources{Decrypter: d, files: files, root: root, dirs: map[string]bool{}, done: map[string]bool{}}
	if err := s.folder(ctx, dir, 0); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("error decrypting sources: %w", err)
	}
	return nil
}

// sources are the files of one build.
type sources struct {
	*Decrypter
	files Files
	root  string
	// dirs were visited, done are files that were looked at.
	dirs, done map[string]bool
}

var (
	errIrregular = errors.New("cannot decrypt irregular file as it has file mode type bits set")
	errAmbiguous = errors.New("found multiple kustomization files")
	errNoFile    = errors.New("no kustomization file found")
)

func tooLarge(size int64) error {
	return fmt.Errorf("cannot decrypt file with size (%d bytes) exceeding limit (%d)", size, int64(maxFile))
}

// folder decrypts for a kustomization and those that it names. One that it names and
// that is no folder is for others to complain about.
func (s *sources) folder(ctx context.Context, dir string, depth int) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.dirs[dir]:
		return nil
	case depth > maxDepth:
		return fmt.Errorf("%w: kustomizations are nested deeper than %d", ErrLimit, maxDepth)
	}
	s.dirs[dir] = true
	k, err := s.kustomization(dir)
	if err != nil {
		return err
	}
	if err := s.generators(ctx, dir, k); err != nil {
		return err
	}
	for _, list := range [][]string{k.Resources, k.Components} {
		for _, name := range list {
			if next := s.join(dir, name); next != "" && s.files.IsDir(next) {
				if err := s.folder(ctx, next, depth+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// join returns where a name in dir leads, empty if that is outside.
func (s *sources) join(dir, name string) string {
	p := name
	if !path.IsAbs(p) {
		p = path.Join(dir, p)
	}
	p = path.Clean(p)
	if p != s.root && !strings.HasPrefix(p, s.root+"/") {
		return ""
	}
	return p
}

// shown is how messages name a path.
func (s *sources) shown(p string) string { return strings.TrimPrefix(p, s.root+"/") }

// kustomization reads the one kustomization file of dir.
func (s *sources) kustomization(dir string) (*types.Kustomization, error) {
	found := ""
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		p := path.Join(dir, name)
		switch {
		case !s.files.Exists(p):
			continue
		case s.files.IsDir(p):
			return nil, fmt.Errorf("expected %s to be a regular file", name)
		case found != "":
			return nil, errAmbiguous
		}
		found = p
	}
	if found == "" {
		return nil, errNoFile
	}
	content, err := s.files.ReadFile(found)
	if err != nil {
		return nil, fmt.Errorf("failed to read kustomization file: %w", s.bare(err))
	}
	k := &types.Kustomization{}
	if err := yaml.Unmarshal(content, k); err != nil {
		return nil, fmt.Errorf("failed to unmarshal kustomization file from '%s': %w", s.shown(found), err)
	}
	return k, nil
}

// bare returns an error with paths from the root.
func (s *sources) bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: e.Op, Path: s.shown(e.Path), Err: e.Err}
	}
	return err
}

// generators decrypts the files that k reads itself.
func (s *sources) generators(ctx context.Context, dir string, k *types.Kustomization) error {
	for _, g := range k.SecretGenerator {
		for _, source := range g.FileSources {
			key, name, named := strings.Cut(source, "=")
			if !named {
				name = source
			}
			if err := s.decrypt(ctx, dir, name, formatOf(key)); err != nil {
				return err
			}
		}
		for _, name := range g.EnvSources {
			f := formatOf(name)
			if f == asBinary {
				f = asDotenv
			}
			if err := s.decrypt(ctx, dir, name, f); err != nil {
				return err
			}
		}
	}
	for _, p := range k.Patches {
		if p.Path == "" || remote(p.Path) {
			continue
		}
		if err := s.decrypt(ctx, dir, p.Path, formatOf(p.Path)); err != nil {
			return err
		}
	}
	return nil
}

// remote says whether a name is a URL.
func remote(name string) bool {
	u, err := url.Parse(name)
	return err == nil && u.Scheme != "" && u.Host != ""
}

// decrypt puts the plain text of a file in its place, if it is encrypted.
func (s *sources) decrypt(ctx context.Context, dir, name string, f format) error {
	p := s.join(dir, name)
	switch {
	case p == "":
		return &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	case s.done[p]:
		return nil
	case s.files.IsDir(p):
		return fmt.Errorf("%s: %w", s.shown(p), errIrregular)
	}
	content, err := s.files.ReadFile(p)
	if err != nil {
		return s.bare(err)
	}
	s.done[p] = true
	if len(content) > maxFile {
		return fmt.Errorf("%s: %w", s.shown(p), tooLarge(int64(len(content))))
	}
	if !f.marked(content) {
		return nil
	}
	plain, err := s.file(ctx, content, f, f, true)
	if err != nil {
		return fmt.Errorf("%s: %w", s.shown(p), err)
	}
	return s.files.WriteFile(p, plain)
}
