package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/bootstrap"
)

// fluxFlags are those of `flux bootstrap` 2.9, for all of its commands and for each.
var fluxFlags = map[string]string{
	"": "version components components-extra registry registry-creds image-pull-secret branch recurse-submodules sparse-checkout manifests " +
		"watch-all-namespaces network-policy token-auth log-level cluster-domain toleration-keys secret-name ssh-key-algorithm ssh-rsa-bits " +
		"ssh-hostkey-algos ssh-ecdsa-curve ssh-hostname ca-file private-key-file author-name author-email gpg-key-ring gpg-passphrase gpg-key-id " +
		"ssh-signing-key-file ssh-signing-password ssh-signing-passphrase ssh-signing-reuse-private-key commit-message-appendix force interval path " +
		"namespace kubeconfig context timeout",
	"git":    "url username password silent allow-insecure-http with-bearer-token",
	"github": "owner repository team personal private hostname read-write-key reconcile",
	"gitlab": "owner repository team personal private visibility hostname read-write-key reconcile deploy-token-auth",
	"gitea":  "owner repository team personal private hostname read-write-key reconcile",
}

// Whoever has the flags of flux in a script is understood, or told what to do instead.
func TestFlagsOfFluxBootstrap(t *testing.T) {
	for _, cmd := range newBootstrap().Commands() {
		own, known := fluxFlags[cmd.Name()]
		if !known {
			continue
		}
		for name := range strings.FieldsSeq(fluxFlags[""] + " " + own) {
			if cmd.Flags().Lookup(name) == nil {
				t.Errorf("bootstrap %s: no --%s", cmd.Name(), name)
			}
		}
	}
}

// called runs a command line, which has to fail, and returns why it does.
func called(t *testing.T, args ...string) string {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--kubeconfig="+filepath.Join(t.TempDir(), "none")))
	err := root.ExecuteContext(t.Context())
	if err == nil {
		t.Fatalf("%v: it did not fail", args)
	}
	return err.Error()
}

// What cannot be done is refused before anything is asked, with what can be done.
func TestBootstrapRefuses(t *testing.T) {
	dir := t.TempDir()
	pair, err := bootstrap.KeyType{Algorithm: "ed25519"}.Generate()
	if err != nil {
		t.Fatal(err)
	}
	key, junk := filepath.Join(dir, "key"), filepath.Join(dir, "junk")
	if err := os.WriteFile(key, pair.Private, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(junk, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GITLAB_TOKEN", "a-token")
	t.Setenv("GITHUB_TOKEN", "a-token")
	git := func(more ...string) []string {
		return append([]string{"bootstrap", "git", "--url=https://git.example.com/x.git"}, more...)
	}
	lab := func(more ...string) []string {
		return append([]string{"bootstrap", "gitlab", "--owner=o", "--repository=r"}, more...)
	}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"manifests":              {git("--manifests=dir"), "patches in flux-system/kustomization.yaml"},
		"credentials of images":  {git("--registry-creds=a:b"), "kubectl create secret docker-registry"},
		"image controllers":      {git("--components-extra=image-reflector-controller"), "--components-extra: the kinds of image-reflector-controller are not served"},
		"a controller of nobody": {git("--components=x-controller"), "is no controller of Flux"},
		"the usual controllers":  {git("--components=source-controller,kustomize-controller,helm-controller,notification-controller"), "none: no such file"},
		"two signatures":         {git("--gpg-key-ring="+junk, "--ssh-signing-key-file="+key), "only one of them can sign"},
		"half a signature":       {git("--gpg-key-id=0123456789ABCDEF"), "none is given"},
		"no key ring":            {git("--gpg-key-ring=" + junk), "--gpg-key-ring: the file is not a PGP key ring"},
		"no such file":           {git("--gpg-key-ring=" + junk + "2"), "--gpg-key-ring: open"},
		"no SSH key":             {git("--ssh-signing-key-file=" + junk), "--ssh-signing-key-file: the file is not a private SSH key"},
		"no key to reuse":        {git("--ssh-signing-reuse-private-key"), "needs --private-key-file"},
		"a key to reuse":         {git("--ssh-signing-reuse-private-key", "--private-key-file="+key), "none: no such file"},
		"reconcile":              {lab("--reconcile"), "change it at the forge"},
		"a deploy token":         {lab("--deploy-token-auth"), "--token-auth"},
		"visibility":             {lab("--visibility=secret"), "none of private, internal, public"},
		"a key for a forge":      {lab("--private-key-file=" + key), "fluxd bootstrap git"},
		"Bitbucket":              {[]string{"bootstrap", "bitbucket-server", "--owner=o"}, "fluxd bootstrap git"},
		"install":                {[]string{"install", "--components-extra=source-watcher"}, "the kinds of source-watcher are not served"},
	} {
		if got := called(t, tt.args...); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
