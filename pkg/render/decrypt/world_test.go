package decrypt

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The files of testdata were encrypted by the sops packages, see test/sops.

func golden(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// with returns a decrypter that has the named keys, or all of them.
func with(t *testing.T, names ...string) *Decrypter {
	t.Helper()
	if len(names) == 0 {
		names = []string{"age.agekey", "other.agekey", "pq.agekey", "pgp.asc"}
	}
	data := map[string][]byte{}
	for _, name := range names {
		data[name] = golden(t, "keys/"+name)
	}
	return New(Secret{Name: "apps/keys", Data: data}, Access{})
}

// tree is what a build reads.
type tree map[string]string

func (f tree) ReadFile(p string) ([]byte, error) {
	if content, ok := f[p]; ok {
		return []byte(content), nil
	}
	return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
}

func (f tree) WriteFile(p string, content []byte) error { f[p] = string(content); return nil }

func (f tree) Exists(p string) bool { _, ok := f[p]; return ok || f.IsDir(p) }

func (f tree) IsDir(p string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(f)), func(name string) bool { return strings.HasPrefix(name, p+"/") })
}

// decrypted decrypts a file that a Secret is generated from.
func decrypted(d *Decrypter, name string, content []byte) (string, error) {
	files := tree{"/r/kustomization.yaml": "secretGenerator: [{name: a, files: [" + name + "]}]", "/r/" + name: string(content)}
	err := d.Files(context.Background(), files, "/r", "/r")
	return files["/r/"+name], err
}

// discreet fails if an error shows plain text or a key.
func discreet(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{"hunter2", "SECRET-KEY", "0123456789abcdef", "BEGIN", "ENC["} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows %q: %v", secret, err)
		}
	}
}
