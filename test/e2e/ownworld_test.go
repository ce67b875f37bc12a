package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
)

// ownWorld is a world with a daemon and a Git server of its own, both of which
// the test may take away. The daemon reaches the API server through a gate. It
// looks after the objects that carry ownLabel with the namespace as its value,
// which the shared daemon leaves alone.
type ownWorld struct {
	*world
	gate  *gate
	git   *gittest.Server
	flags []string

	mu     sync.Mutex // guards daemon
	daemon *harness.Daemon
}

// newOwnWorld returns a world whose repository holds the given files. Its daemon
// gets further flags and has not been started. Another Git server than the shared
// one serves the same repository.
func newOwnWorld(t *testing.T, content files, flags ...string) *ownWorld {
	t.Helper()
	t.Parallel()
	return makeOwnWorld(t, content, flags...)
}

func makeOwnWorld(t *testing.T, content files, flags ...string) *ownWorld {
	t.Helper()
	label := "{" + ownLabel + ": " + namespaceOf(t) + "}"
	w := &ownWorld{world: makeWorld(t, label, content), gate: newGate(t), flags: flags}
	var err error
	if w.git, err = gittest.Serve(gits.Root); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.git.Close() })
	t.Cleanup(w.end)
	return w
}

// install creates the source "repo" and the Kustomization "app" of ./app.
func (w *ownWorld) install(spec ...string) {
	w.t.Helper()
	w.source("repo", "url: "+w.git.RepoURL(w.repo))
	w.kustomization("app", "./app", spec...)
}

// selector selects the objects of this world.
func (w *ownWorld) selector() string { return ownLabel + "=" + w.namespace }

// launch starts a daemon of this world and does not wait for it.
func (w *ownWorld) launch(more ...string) *harness.Daemon {
	w.t.Helper()
	all := append(append(flags(), "--watch-label-selector="+w.selector()), w.flags...)
	d, err := harness.Start(binary, w.gate.kubeconfig, append(all, more...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// start starts the daemon.
func (w *ownWorld) start() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.daemon = w.launch()
}

// take returns the daemon, which from now on is the caller's to end, or nil.
func (w *ownWorld) take() *harness.Daemon {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.daemon
	w.daemon = nil
	return d
}

// stop asks the daemon to end, which has to be in good order.
func (w *ownWorld) stop() {
	w.t.Helper()
	w.finish(w.take())
}

// finish ends a daemon that runs: in good order, and without that anything had to
// be revived by the watchdog.
func (w *ownWorld) finish(d *harness.Daemon) {
	w.t.Helper()
	if lost, err := d.Metric("fluxd_lost_wakeups_total"); err != nil || lost > 0 {
		w.t.Errorf("the watchdog had to revive %g objects, error %v", lost, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		w.t.Errorf("the daemon did not end in good order: %v\n%s", err, strings.Join(d.Logs(), "\n"))
	}
}

// kill ends the daemon as a power loss would, if it runs.
func (w *ownWorld) kill() {
	if d := w.take(); d != nil {
		_ = d.Kill() // it has ended
	}
}

// end is what happens to the daemon at the end of the test.
func (w *ownWorld) end() {
	d := w.take()
	if d == nil {
		return
	}
	w.finish(d)
	if w.t.Failed() {
		w.t.Logf("the log of the daemon:\n%s", strings.Join(d.Logs(), "\n"))
	}
}

// loseGit makes the Git server one that drops every connection.
func (w *ownWorld) loseGit() {
	w.git.Wrap(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
}

func (w *ownWorld) findGit() { w.git.Wrap(nil) }

// version returns what tells of every write to an object.
func version(obj *unstructured.Unstructured) string {
	if obj == nil {
		return "none"
	}
	return string(obj.GetUID()) + "@" + obj.GetResourceVersion()
}
