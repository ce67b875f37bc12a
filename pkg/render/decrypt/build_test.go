package decrypt_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/render"
	"github.com/fluxd/fluxd/pkg/render/decrypt"
	"github.com/fluxd/fluxd/pkg/render/kustomize"
)

func sopsFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// treeOf returns an artifact.
func treeOf(t *testing.T, store *artifacts.Store, files map[string]string) *artifacts.Tree {
	t.Helper()
	b := store.NewBuilder(artifacts.Limits{})
	for name, content := range files {
		if err := b.AddFile(name, 0o644, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	tree, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// job is a build of the folder app with decryption, as a Kustomization has it.
func job(t *testing.T, tree *artifacts.Tree, builder *kustomize.Builder) render.Job {
	t.Helper()
	d := decrypt.New(decrypt.Secret{Data: map[string][]byte{"age.agekey": []byte(sopsFile(t, "keys/age.agekey"))}}, decrypt.Access{})
	options := kustomize.Options{Path: "app", Prepare: func(ctx context.Context, files kustomize.Files, root, dir string) error {
		return d.Files(ctx, files, root, dir)
	}}
	return render.Job{
		Owner: render.Owner{Namespace: "apps", Name: "app"}, Tree: tree, Inputs: options.Inputs(),
		Build: func(ctx context.Context, trace *render.Trace) ([][]byte, error) {
			return builder.Build(ctx, tree, trace, options)
		},
		Edits: []render.Edit{d.Edit("decrypt")},
	}
}

// With kustomize: encrypted objects, generated ones, and patches, in the folder, in a
// base above it, and in a component.
func TestBuild(t *testing.T) {
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"app/kustomization.yaml": "namePrefix: x-\nresources: [whole.yaml, open.yaml, ../base]\ncomponents: [../part]\n" +
			"secretGenerator:\n- {name: env, envs: [all.env]}\n- {name: file, files: [text=all.bin, config.json=all.json]}\n" +
			"configMapGenerator: [{name: plain, files: [open.txt]}]\n",
		"app/whole.yaml":          sopsFile(t, "regex.yaml.enc"),
		"app/open.yaml":           "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {other: x}\n",
		"app/all.env":             sopsFile(t, "all.env.enc"),
		"app/all.bin":             sopsFile(t, "all.bin.enc"),
		"app/all.json":            sopsFile(t, "all.json.enc"),
		"app/open.txt":            "open",
		"base/kustomization.yaml": "secretGenerator: [{name: base, envs: [all.env]}]\n",
		"base/all.env":            sopsFile(t, "all.env.enc"),
		"part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{path: secret.yaml}]\n",
		"part/secret.yaml":        sopsFile(t, "secret.yaml.enc"),
	}
	builder, cache := kustomize.New(kustomize.Config{NoRemoteBases: true}), render.NewCache(0, nil)
	out, err := cache.Render(context.Background(), job(t, treeOf(t, store, files), builder))
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for _, obj := range out.Objects {
		content, err := json.Marshal(obj.Object)
		if err != nil {
			t.Fatal(err)
		}
		text[strings.Join(strings.SplitN(obj.GetName(), "-", 3)[:2], "-")] = string(content) // without the hash
		if strings.Contains(string(content), "ENC[") || strings.Contains(string(content), `"sops"`) {
			t.Errorf("%s is encrypted: %s", obj.GetName(), content)
		}
	}
	for name, part := range map[string]string{
		"x-app": `"password":"hunter2"`, "x-login": `{"other":"x","password":"hunter2"}`, "x-env": `"PASSWORD":"aHVudGVyMj13aXRoPWVxdWFscw=="`,
		"x-file": `"text":"f0VMRiBwbGFpbiB0ZXh0`, "x-base": `"USER":"YWRtaW4="`, "x-plain": `"open.txt":"open"`,
	} {
		if !strings.Contains(text[name], part) {
			t.Errorf("%s: no %s in %s", name, part, text[name])
		}
	}

	files["unrelated"] = "x"
	if again, err := cache.Render(context.Background(), job(t, treeOf(t, store, files), builder)); err != nil || !again.Cached || again.Digest != out.Digest {
		t.Errorf("a commit that changes nothing is built again: %t, %v", again.Cached, err)
	}
	files["base/all.env"] = "USER=other\n"
	if again, err := cache.Render(context.Background(), job(t, treeOf(t, store, files), builder)); err != nil || again.Cached || again.Digest == out.Digest {
		t.Errorf("a commit that changes an encrypted file is not built: %t, %v", again.Cached, err)
	}
}

func TestBuildWithDamage(t *testing.T) {
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tree := treeOf(t, store, map[string]string{
		"app/kustomization.yaml": "secretGenerator: [{name: env, envs: [all.env]}]\n",
		"app/all.env":            strings.Replace(sopsFile(t, "all.env.enc"), "OPEN_unencrypted=readable", "OPEN_unencrypted=other", 1),
	})
	_, err = render.NewCache(0, nil).Render(context.Background(), job(t, tree, kustomize.New(kustomize.Config{})))
	if err == nil || err.Error() != "error decrypting sources: app/all.env: failed to verify sops data integrity: the MAC does not match" {
		t.Errorf("got %v", err)
	}
}
