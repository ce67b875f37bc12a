package bootstrap

import (
	"context"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/fluxd/fluxd/test/forges"
	"github.com/fluxd/fluxd/test/harness"
)

// The same against a forge that is none of ours: Gitea itself makes the repository,
// takes the push, lets the key in, and serves the cluster over SSH.
func TestGitea(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	dir := t.TempDir()
	g, err := forges.StartGitea(ctx, dir, os.Stderr)
	if errors.Is(err, forges.ErrNoGitea) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	w.env = []string{"GITEA_TOKEN=" + g.Token}
	newKeeper(t)
	args := []string{"bootstrap", "gitea", "--hostname=" + g.URL, "--owner=example", "--repository=fleet", "--path=" + edge, "--version=v1"}
	out := w.fluxd(args...)
	contains(t, out, "made the repository example/fleet", "added the deploy key", "bootstrap finished")
	contains(t, text(w.get(harness.Sources, namespace, namespace), "spec", "url"), "ssh://git@127.0.0.1:", "/example/fleet.git")

	var repo struct {
		Private bool   `json:"private"`
		Branch  string `json:"default_branch"`
	}
	if err := g.Call(t.Context(), http.MethodGet, "/repos/example/fleet", nil, &repo); err != nil {
		t.Fatal(err)
	}
	if !repo.Private || repo.Branch != "main" {
		t.Errorf("%+v", repo)
	}
	var keys []struct {
		ReadOnly bool `json:"read_only"`
	}
	if err := g.Call(t.Context(), http.MethodGet, "/repos/example/fleet/keys", nil, &keys); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 1 || !keys[0].ReadOnly {
		t.Errorf("%+v", keys)
	}
	contains(t, w.fluxd(args...), "the repository example/fleet is there", "up to date", "bootstrap finished")
	contains(t, w.fluxd(append(args, "--read-write-key")...), "added the deploy key", "bootstrap finished")

	// A branch that is protected refuses the push, in words of its own.
	rule := map[string]any{"rule_name": "main", "enable_push": false}
	if err := g.Call(t.Context(), http.MethodPost, "/repos/example/fleet/branch_protections", rule, nil); err != nil {
		t.Fatal(err)
	}
	w.refused(append(args, "--version=v2"), "the remote refuses the commit", "protected branch main", "let this account push to it")

	// With the token, and for the account of the user.
	w.fluxd("uninstall", "--silent")
	mine := append(args, "--owner=me", "--personal", "--token-auth")
	contains(t, w.fluxd(mine...), "made the repository me/fleet", "bootstrap finished")
	equal(t, "url", g.URL+"/me/fleet.git", text(w.get(harness.Sources, namespace, namespace), "spec", "url"))
}
