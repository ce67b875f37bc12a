package preview

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// local returns a folder of files on this machine.
func local(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// contentOf returns what a source makes of a folder.
func contentOf(t *testing.T, obj metav1.Object, dir string, limits artifacts.Limits) (reconcilers.Content, error) {
	t.Helper()
	folder, err := Local(dir)
	if err != nil {
		t.Fatal(err)
	}
	folder.Name = "mine"
	c := newCluster(t)
	s, err := c.previews(func(cfg *Config) { cfg.Limits = limits }).begin(t.Context(), Request{
		Kind: api.KustomizationGVK.GroupKind(), Namespace: "apps", Name: "app", Folder: folder,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.end()
	return s.folder(t.Context(), reconcilers.NewRef(api.GitRepositoryGVK.GroupKind(), "apps", "repo"), obj)
}

func filesOf(t *testing.T, tree *artifacts.Tree) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A folder is what each kind of source would have made of it.
func TestFolder(t *testing.T) {
	dir := local(t, map[string]string{
		"app/a.yaml": "a", "app/b.draft": "b", "app/.sourceignore": "c.yaml", "app/c.yaml": "c", "app/logo.png": "d",
		"other/e.yaml": "e", ".git/config": "f", "app/sub/.git/config": "g", ".gitignore": "h",
	})
	if err := errors.Join(os.Symlink("a.yaml", filepath.Join(dir, "app/link.yaml")), os.Symlink("/etc/passwd", filepath.Join(dir, "app/out.yaml"))); err != nil {
		t.Fatal(err)
	}
	drafts := "*.draft"
	git, sparse := &sourcev1.GitRepository{}, &sourcev1.GitRepository{}
	git.Spec.Ignore = &drafts
	git.Spec.Include = []sourcev1.GitRepositoryInclude{{}}
	sparse.Spec.SparseCheckout = []string{"./other"}
	bucket := &sourcev1.Bucket{}
	bucket.Spec.Ignore = &drafts
	for name, c := range map[string]struct {
		obj  metav1.Object
		want []string
		note string
	}{
		"GitRepository": {git, []string{"app/.sourceignore", "app/a.yaml", "app/link.yaml", "app/logo.png", "other/e.yaml"},
			"what the GitRepository includes of others is not part of the folder; app/out.yaml: the symbolic link does not point at a file of the tree and is left out"},
		"sparse": {sparse, []string{"other/e.yaml"}, "app/out.yaml: the symbolic link does not point at a file of the tree and is left out"},
		"Bucket": {bucket, []string{".gitignore", "app/.sourceignore", "app/a.yaml", "app/link.yaml", "app/logo.png", "other/e.yaml"},
			"app/out.yaml: the symbolic link does not point at a file of the tree and is left out"},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := contentOf(t, c.obj, dir, artifacts.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "files", c.want, filesOf(t, content.Tree))
			equal(t, "revision and note", []string{"folder mine", c.note}, []string{content.Artifact.Revision, content.Note})
		})
	}
}

func TestFoldersThatAreNone(t *testing.T) {
	dir := local(t, map[string]string{"a": "1", "b": "2"})
	for _, path := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "a")} {
		if _, err := Local(path); err == nil {
			t.Errorf("%s is a folder", path)
		}
	}
	if _, err := contentOf(t, &sourcev1.GitRepository{}, dir, artifacts.Limits{Files: 1}); !errors.Is(err, artifacts.ErrLimit) {
		t.Errorf("too many files: %v", err)
	}
}
