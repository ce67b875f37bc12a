package tenants

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// onRepositories have repositories lead out of themselves: by links, and by submodules.
func onRepositories() map[string]attack {
	// link has a build use a file that is a link to where.
	link := func(where string) attack {
		return attack{
			fields: []string{"symbolic links in a repository"}, kind: gitRepository, spec: "url: $REPO", ready: "True/Succeeded",
			repo: func(t *testing.T, repo *gittest.Repo, _ *strings.Replacer) {
				commit(t, repo, files{"loot@": where, "kustomization.yaml": "configMapGenerator: [{name: loot, files: [loot]}]\n"})
			},
			then: func(w *world.World, name string) {
				w.Create(attack{kind: kustomization, spec: "path: ./\nsourceRef: {kind: GitRepository, name: " + name + "}"}.manifest(name))
				w.Wait(harness.Kustomized, name, attack{ready: notBuilt, says: []string{"loot"}}.ended)
			},
		}
	}
	module := func(url, ready string, says ...string) attack {
		return attack{
			fields: []string{"submodules of a repository"}, kind: gitRepository, spec: "url: $REPO\nrecurseSubmodules: true", ready: ready, says: append(says, `submodule "sub"`),
			repo: func(t *testing.T, repo *gittest.Repo, places *strings.Replacer) {
				commit(t, repo, files{"a.yaml": mine("a"), ".gitmodules": "[submodule \"sub\"]\n\tpath = sub\n\turl = " + places.Replace(url) + "\n"})
				head, err := (&gittest.Repo{Dir: guarded.Root + "/private.git"}).Head(t.Context(), "main")
				if err != nil {
					t.Fatal(err)
				}
				attach(t, repo, "sub", head)
			},
		}
	}
	return map[string]attack{
		"g-link-root":  link("/etc/passwd"),
		"g-link-up":    link("../../../../../../../../etc/passwd"),
		"g-link-token": link("/var/run/secrets/kubernetes.io/serviceaccount/token"),
		"g-link-proc":  link("/proc/self/environ"),

		"g-module-file":     module("file://$GUARDEDROOT/private.git", "False/GitOperationFailed", `the scheme "file"`),
		"g-module-path":     module("$GUARDEDROOT/private.git", "False/GitOperationFailed", "none of http, https, ssh"),
		"g-module-ext":      module("ext::sh -c id", "False/GitOperationFailed"),
		"g-module-theirs":   module("$GUARDED/private.git", "False/AuthenticationFailed"),
		"g-module-metadata": module("http://169.254.169.254/r", "False/GitOperationFailed", refusedAddress),
	}
}

func commit(t *testing.T, repo *gittest.Repo, content files) {
	t.Helper()
	if _, err := repo.Commit(t.Context(), "main", "attack", content); err != nil {
		t.Fatal(err)
	}
}

// attach adds a submodule to main, at a commit.
func attach(t *testing.T, repo *gittest.Repo, at, id string) {
	t.Helper()
	git := func(args ...string) string {
		t.Helper()
		out, err := repo.Git(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	git("read-tree", "main")
	git("update-index", "--add", "--cacheinfo", "160000,"+id+","+at)
	git("update-ref", "refs/heads/main", git("commit-tree", git("write-tree"), "-p", "main", "-m", "attach a submodule"))
}
