package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
)

// Two hundred objects are installed; a commit that changes one of them writes one.
func TestTwoHundredObjects(t *testing.T) {
	w := newWorld(t, manyObjects(0, 200, "1"))
	w.source("repo")
	w.kustomization("app", "./app", "wait: true")
	w.ready("app")
	w.exact(map[string]int{"1": 200})

	mark := w.mark()
	commit := w.commit(files{"app/object-05.yaml": configMap("object-05", "2")})
	w.request(harness.Sources, "repo")
	w.applied("app", commit)
	var written []string
	for _, r := range w.writes(mark) {
		if !strings.Contains(r, "toolkit.fluxcd.io/") {
			written = append(written, r)
		}
	}
	equal(t, "what was written for one changed object", 1, len(written))
	for _, r := range written {
		contains(t, "write", r, "configmaps", "patch", "object-05")
	}
}

// Intervals that find nothing new cost nothing: no write, and no read either.
func TestNothingChangedCostsNothing(t *testing.T) {
	w := newOwnWorld(t, manyObjects(0, 20, "1"))
	w.source("repo", "interval: 1s\nurl: "+w.git.RepoURL(w.repo))
	w.kustomization("app", "./app", "interval: 1s", "wait: true")
	w.start()
	w.ready("app")
	polls := make(chan struct{}, 100)
	w.git.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(rw, req)
			polls <- struct{}{}
		})
	})
	await := func(n int) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for range n {
			select {
			case <-polls:
			case <-ctx.Done():
				t.Fatal("the source was not polled")
			}
		}
	}
	w.events("Reconciliation finished") // the last of what comes of the install
	await(1)
	mark, runs := w.mark(), w.runs("Kustomization", "app")
	await(5)
	equal(t, "requests while nothing changed", []string(nil), w.requests(mark))
	if more := w.runs("Kustomization", "app") - runs; more < 2 {
		t.Errorf("the Kustomization ran %g times in five seconds, with an interval of one", more)
	}
}

// runs returns how often the own daemon has reconciled an object.
func (w *ownWorld) runs(kind, name string) float64 {
	w.t.Helper()
	n, err := w.daemon.Metric("gotk_reconcile_duration_seconds_count",
		`kind="`+kind+`"`, `namespace="`+w.namespace+`"`, `name="`+name+`"`)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}
