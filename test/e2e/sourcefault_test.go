package e2e

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
)

// sourceFault is a reason for which a source cannot be fetched, and its remedy.
type sourceFault struct {
	name string
	// make returns the spec of a source with the fault, as lines of YAML, and what
	// takes the fault away.
	make    func(w *world) (spec string, mend func())
	reason  string
	message []string
}

const unknownCommit = "0123456789abcdef0123456789abcdef01234567"

var sourceFaults = []sourceFault{
	{
		name: "branch that does not exist", reason: "GitOperationFailed",
		message: []string{"reference not found", "refs/heads/later"},
		make: func(w *world) (string, func()) {
			return "ref: {branch: later}", func() { w.git("branch", "later", "main") }
		},
	}, {
		name: "tag that does not exist", reason: "GitOperationFailed",
		message: []string{"reference not found", "refs/tags/v1"},
		make: func(w *world) (string, func()) {
			return "ref: {tag: v1}", func() { w.git("tag", "v1", "main") }
		},
	}, {
		name: "range without a version", reason: "GitOperationFailed",
		message: []string{"no tag is in the range", ">=1.2.0"},
		make: func(w *world) (string, func()) {
			return "ref: {semver: \">=1.2.0\"}", func() { w.git("tag", "v1.3.0", "main") }
		},
	}, {
		name: "commit that does not exist", reason: "GitOperationFailed",
		message: []string{unknownCommit},
		make: func(w *world) (string, func()) {
			return "ref: {branch: main, commit: " + unknownCommit + "}", func() {
				w.patch(harness.Sources, "repo", spec(map[string]any{"ref": map[string]any{"branch": "main", "commit": nil}}))
			}
		},
	}, {
		name: "commit that is none", reason: "GitOperationFailed",
		message: []string{"not a full commit id", "abc"},
		make: func(w *world) (string, func()) {
			return "ref: {commit: abc}", func() {
				w.patch(harness.Sources, "repo", spec(map[string]any{"ref": map[string]any{"branch": "main", "commit": nil}}))
			}
		},
	}, {
		name: "repository that does not exist", reason: "GitOperationFailed",
		message: []string{"repository not found", "-later.git"},
		make: func(w *world) (string, func()) {
			url := strings.Replace(gits.RepoURL(w.repo), ".git", "-later.git", 1)
			return "url: " + url, func() { w.git("clone", "--quiet", "--bare", ".", "../"+w.namespace+"-later.git") }
		},
	}, {
		name: "repository without commits", reason: "EmptyGitRepository",
		message: []string{"empty"},
		make: func(w *world) (string, func()) {
			w.git("init", "--quiet", "--bare", "../"+w.namespace+"-empty.git")
			url := strings.Replace(gits.RepoURL(w.repo), ".git", "-empty.git", 1)
			return "url: " + url, func() { w.git("push", "--quiet", "../"+w.namespace+"-empty.git", "main") }
		},
	}, {
		name: "server that is away", reason: "GitOperationFailed",
		message: []string{"connection refused"},
		make: func(w *world) (string, func()) {
			address, err := program.FreeAddress()
			if err != nil {
				w.t.Fatal(err)
			}
			return "url: http://" + address + "/" + w.repo.Name, func() { w.serve(address) }
		},
	}, {
		name: "server that drips", reason: "GitOperationFailed",
		message: []string{"timed out"},
		make: func(w *world) (string, func()) {
			s := w.serve("127.0.0.1:0")
			s.Wrap(func(http.Handler) http.Handler { return http.HandlerFunc(drip) })
			return "timeout: 1s\nurl: " + s.RepoURL(w.repo), func() { s.Wrap(nil) }
		},
	}, {
		name: "server that breaks off", reason: "GitOperationFailed",
		message: []string{"unable to"},
		make: func(w *world) (string, func()) {
			s := w.serve("127.0.0.1:0")
			s.Wrap(breakOff)
			return "url: " + s.RepoURL(w.repo), func() { s.Wrap(nil) }
		},
	}, {
		name: "redirect to itself", reason: "GitOperationFailed",
		message: []string{"redirect"},
		make: func(w *world) (string, func()) {
			s := w.serve("127.0.0.1:0")
			s.Wrap(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
					http.Redirect(rw, req, req.URL.RequestURI(), http.StatusFound)
				})
			})
			return "url: " + s.RepoURL(w.repo), func() { s.Wrap(nil) }
		},
	}, {
		name: "wrong password", reason: "AuthenticationFailed",
		message: []string{"authentication"},
		make: func(w *world) (string, func()) {
			s := w.serve("127.0.0.1:0")
			s.RequireAuth("robot", "right-word")
			w.secret("login", map[string]string{"username": "robot", "password": "wrong-word"})
			return "secretRef: {name: login}\nurl: " + s.RepoURL(w.repo), func() {
				w.patch(secrets, "login", map[string]any{"stringData": map[string]any{"password": "right-word"}})
			}
		},
	}, {
		name: "missing Secret", reason: "AuthenticationFailed",
		message: []string{"spec.secretRef", "/login'", "secrets \"login\" not found"},
		make: func(w *world) (string, func()) {
			s := w.serve("127.0.0.1:0")
			s.RequireAuth("robot", "right-word")
			return "secretRef: {name: login}\nurl: " + s.RepoURL(w.repo), func() {
				w.secret("login", map[string]string{"username": "robot", "password": "right-word"})
			}
		},
	}, {
		name: "wrong host key", reason: "GitOperationFailed",
		message: []string{"host key"},
		make: func(w *world) (string, func()) {
			s, other := w.serveSSH(), w.serveSSH()
			name, _, _ := bytes.Cut(s.KnownHosts, []byte(" "))
			_, key, _ := bytes.Cut(other.KnownHosts, []byte(" "))
			w.secret("login", map[string]string{"identity": string(s.Identity), "known_hosts": string(name) + " " + string(key)})
			return "secretRef: {name: login}\nurl: " + s.RepoURL(w.repo), func() {
				w.patch(secrets, "login", map[string]any{"stringData": map[string]any{"known_hosts": string(s.KnownHosts)}})
			}
		},
	}, {
		name: "SSH key that may not log in", reason: "AuthenticationFailed",
		message: []string{"authentic"},
		make: func(w *world) (string, func()) {
			s, other := w.serveSSH(), w.serveSSH()
			w.secret("login", map[string]string{"identity": string(other.Identity), "known_hosts": string(s.KnownHosts)})
			return "secretRef: {name: login}\nurl: " + s.RepoURL(w.repo), func() {
				w.patch(secrets, "login", map[string]any{"stringData": map[string]any{"identity": string(s.Identity)}})
			}
		},
	}, {
		name: "repository that unpacks to too much", reason: "GitOperationFailed",
		message: []string{"more than 2097152 bytes"},
		make: func(w *world) (string, func()) {
			w.commitTo("big", files{"app/config.yaml": configMap("config", "1"), "zeros": strings.Repeat("0", maxSource+1)})
			return "ref: {branch: big}", func() { w.commitTo("big", files{"zeros": ""}) }
		},
	}, {
		name: "repository that is too large", reason: "GitOperationFailed",
		message: []string{"too large"},
		make: func(w *world) (string, func()) {
			w.commitTo("big", files{"app/config.yaml": configMap("config", "1"), "noise": noise(maxSource + 1)})
			return "ref: {branch: big}", func() { w.commitTo("big", files{"noise": ""}) }
		},
	},
}

// A source that cannot be fetched says why on its own condition. Nothing else
// suffers, and once the fault is gone everything goes on by itself.
func TestSourceFaults(t *testing.T) {
	t.Parallel()
	for _, f := range sourceFaults {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld(t, files{"app/config.yaml": configMap("config", "1"), "good/config.yaml": configMap("good", "1")})
			text, mend := f.make(w)
			w.source("repo", text)
			w.source("fine")
			w.kustomization("app", "./app")
			w.kustomization("good", "./good", "sourceRef: {kind: GitRepository, name: fine}")
			repo := w.wait(harness.Sources, "repo", harness.Failed(f.reason))
			_, message := condition(repo, "Ready")
			contains(t, "message", message, f.message...)
			for _, secret := range []string{"wrong-word", "PRIVATE KEY"} {
				if strings.Contains(message, secret) {
					t.Errorf("the message has a secret: %s", message)
				}
			}
			failed, _ := condition(repo, "FetchFailed")
			equal(t, "FetchFailed", "True/"+f.reason, failed)
			w.ready("good")
			w.wait(harness.Kustomized, "app", harness.Failed("ArtifactFailed"))
			w.events("GitRepository/repo Warning " + f.reason)

			w.commit(files{"good/config.yaml": configMap("good", "2")})
			w.request(harness.Sources, "fine")
			w.wait(harness.ConfigMaps, "good", data("key", "2"))
			mend()
			w.wait(harness.Sources, "repo", harness.Ready)
			w.ready("app")
			w.wait(harness.ConfigMaps, "config", data("key", "1"))
		})
	}
}

// A source that fails later keeps what it has, and what was applied stays ready.
func TestSourceFailsLater(t *testing.T) {
	w := newWorld(t, files{"app/config.yaml": configMap("config", "1")})
	s := w.serve("127.0.0.1:0")
	w.source("repo", "url: "+s.RepoURL(w.repo))
	w.kustomization("app", "./app")
	w.ready("app")
	s.Wrap(breakOff)
	w.request(harness.Sources, "repo")
	repo := w.wait(harness.Sources, "repo", harness.Failed("GitOperationFailed"))
	if field(repo, "status", "artifact", "revision") == "" {
		t.Error("the artifact is no longer in the status")
	}
	app := w.reconciled(harness.Kustomized, "app")
	if !harness.Ready(app) {
		t.Errorf("the Kustomization is not ready: %v", app.Object["status"])
	}
	w.patch(harness.ConfigMaps, "config", map[string]any{"data": map[string]any{"key": "edited"}})
	w.wait(harness.ConfigMaps, "config", data("key", "1"))
	commit := w.commit(files{"app/config.yaml": configMap("config", "2")})
	s.Wrap(nil)
	w.applied("app", commit)
}

// spec is a patch of the spec of an object.
func spec(fields map[string]any) map[string]any { return map[string]any{"spec": fields} }

// git runs git in the repository.
func (w *world) git(args ...string) {
	w.t.Helper()
	if _, err := w.repo.Git(w.t.Context(), args...); err != nil {
		w.t.Fatal(err)
	}
}

// serve serves the repositories at another address for the time of the test.
func (w *world) serve(address string) *gittest.Server {
	w.t.Helper()
	s, err := gittest.ServeOn(gits.Root, address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// serveSSH serves the repositories over SSH for the time of the test.
func (w *world) serveSSH() *gittest.SSHServer {
	w.t.Helper()
	s, err := gittest.ServeSSH(gits.Root)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
	return s
}

// drip answers one byte at a time and never comes to an end.
func drip(rw http.ResponseWriter, req *http.Request) {
	rw.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	flush := http.NewResponseController(rw).Flush
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, err := rw.Write([]byte("001e# service=git-upload-pack\n0000fff0")); err == nil; _, err = rw.Write([]byte("0")) {
		if flush() != nil {
			return
		}
		select {
		case <-req.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// breakOff answers the first half of what a handler would, and cuts the
// connection.
func breakOff(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		next.ServeHTTP(&breaking{ResponseWriter: rw}, req)
	})
}

type breaking struct{ http.ResponseWriter }

func (b *breaking) Write(p []byte) (int, error) {
	_, _ = b.ResponseWriter.Write(p[:len(p)/2]) // what comes next is worse
	_ = http.NewResponseController(b.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// noise returns bytes that do not compress.
func noise(n int) string {
	source, b := rand.NewChaCha8([32]byte{}), make([]byte, n)
	_, _ = source.Read(b) // never fails
	return string(b)
}
