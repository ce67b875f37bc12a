package bootstrap

import (
	"context"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/forges"
	"github.com/fluxd/fluxd/test/harness"
)

const forgeToken = "a-token-of-mine"

// newForge plays a forge, with repositories that the token opens over HTTP and deploy
// keys over SSH, and returns the arguments to bootstrap from it.
func (w *world) newForge(kind string) (f *forges.Forge, args []string) {
	w.t.Helper()
	f, err := forges.Start(forges.Options{Kind: kind, Token: forgeToken, User: "me", Owners: []string{"example"}, Git: gits, SSH: sshes})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = f.Close() })
	gits.RequireAuth("git", forgeToken)
	w.t.Cleanup(func() { gits.RequireAuth("", "") })
	w.env = []string{strings.ToUpper(kind) + "_TOKEN=" + forgeToken}
	name := strings.ToLower(strings.NewReplacer("/", "-").Replace(w.t.Name()))
	return f, []string{"bootstrap", kind, "--hostname=" + f.URL, "--owner=example", "--repository=" + name, "--path=" + edge, "--version=v1"}
}

// A repository is made, the cluster gets a key that may read it and no other, and
// follows it.
func TestForge(t *testing.T) {
	for _, kind := range []string{"github", "gitlab", "gitea"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, nil)
			f, args := w.newForge(kind)
			newKeeper(t)
			out := w.fluxd(args...)
			name := "example/testforge-" + kind
			contains(t, out, "made the repository "+name, "generated a key: ecdsa-sha2-nistp384", "added the deploy key", "bootstrap finished")
			repo := f.Repo(name)
			if len(repo.Keys) != 1 || repo.Keys[0].Write || !repo.Private {
				t.Errorf("%+v", repo)
			}
			equal(t, "url", sshes.RepoURL(repo.Repo), text(w.get(harness.Sources, namespace, namespace), "spec", "url"))
			contains(t, w.fluxd(args...), "the repository "+name+" is there", "up to date", "bootstrap finished")
			equal(t, "keys", 1, len(f.Repo(name).Keys))
			if strings.Contains(out, forgeToken) {
				t.Errorf("the token is told:\n%s", out)
			}
		})
	}
}

func TestForgeWithToken(t *testing.T) {
	w := newWorld(t, nil)
	f, args := w.newForge("gitea")
	newKeeper(t)
	contains(t, w.fluxd(append(args, "--token-auth")...), "bootstrap finished")
	repo := f.Repo("example/testforgewithtoken")
	equal(t, "url", gits.RepoURL(repo.Repo), text(w.get(harness.Sources, namespace, namespace), "spec", "url"))
	equal(t, "keys", 0, len(repo.Keys))
	contains(t, w.fluxd("export", "gitrepository", "--with-secrets"), "password:", "username:")
}

// Two people bootstrap at once, each with a key of their own: one of them counts.
func TestForgeTwoAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	f, args := w.newForge("github")
	newKeeper(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	results := make(chan string, 2)
	for range 2 {
		go func() {
			out, err := w.try(ctx, args...)
			if err != nil {
				t.Error(err)
			}
			results <- out
		}()
	}
	for range 2 {
		contains(t, <-results, "bootstrap finished")
	}
	equal(t, "keys", 1, len(f.Repo("example/testforgetwoatonce").Keys))
}

// Nothing is made on the forge for a cluster that cannot be bootstrapped.
func TestForgeUntouched(t *testing.T) {
	w := newWorld(t, nil)
	f, args := w.newForge("gitlab")
	kubeconfig, err := cluster.KubeconfigFor(reader)
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.tryAs(t.Context(), kubeconfig, args...)
	if err == nil {
		t.Error("it did not fail")
	}
	contains(t, out, "the account may not create namespaces")
	equal(t, "requests", 0, len(f.Requests()))
	w.env = []string{"GITLAB_TOKEN=another"}
	w.refused(args, "the token is not accepted")
	w.env = []string{"GITLAB_TOKEN="}
	w.refused(args, "a token is needed", "GITLAB_TOKEN")
}

// A bootstrap that dies between the forge, the repository and the cluster is completed by
// the next one, with one repository, one commit and one key.
func TestForgeInterrupted(t *testing.T) {
	w := newWorld(t, nil)
	f, args := w.newForge("gitlab")
	newKeeper(t)
	for _, mark := range []string{"made the repository", "pushed main@", "generated a key", "added the deploy key", "waiting for the cluster"} {
		w.killedAt(mark, args...)
	}
	contains(t, w.fluxd(args...), "bootstrap finished")
	repo := f.Repo("example/testforgeinterrupted")
	equal(t, "keys", 1, len(repo.Keys))
	log, err := repo.Git(t.Context(), "log", "--format=%s", "main")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "commits", "Add fluxd dev manifests\n", log)
}
