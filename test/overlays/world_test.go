package overlays

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// place is an overlay that was applied, and a namespace with a source "repo".
type place struct {
	*world.World
	objects []*unstructured.Unstructured
	server  *gittest.Server
	repo    *gittest.Repo
	dir     string
}

// newPlace applies a folder of deploy and makes a namespace called after the test.
func newPlace(t *testing.T, folder string, labels string) *place {
	t.Helper()
	objects, err := cluster.Install(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{World: world.New(t, cluster, labels), objects: objects, server: serve(t), dir: t.TempDir()}
	t.Cleanup(p.clean)
	if p.repo, err = gittest.NewRepo(t.Context(), root, p.Namespace); err != nil {
		t.Fatal(err)
	}
	p.commit("1")
	p.source("repo")
	return p
}

// clean takes the installation away, so that the next daemon has nothing to look after.
func (p *place) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), world.Patience)
	defer cancel()
	for _, gvr := range []schema.GroupVersionResource{harness.Kustomized, harness.Sources} {
		list, err := cluster.Dynamic.Resource(gvr).List(ctx, metav1.ListOptions{})
		if err != nil {
			p.T.Error(err)
			continue
		}
		for _, obj := range list.Items {
			_, err := cluster.Patch(ctx, gvr, obj.GetNamespace(), obj.GetName(), map[string]any{"metadata": map[string]any{"finalizers": nil}})
			if err == nil {
				err = cluster.Delete(ctx, gvr, obj.GetNamespace(), obj.GetName())
			}
			if err != nil {
				p.T.Error(err)
			}
		}
	}
	for _, obj := range p.objects {
		if kind := obj.GetKind(); kind == "Deployment" || kind == "PodDisruptionBudget" {
			if _, err := cluster.Kubectl(ctx, "-n", obj.GetNamespace(), "delete", strings.ToLower(kind), obj.GetName()); err != nil {
				p.T.Error(err)
			}
		}
	}
}

// commit has the repository say a value, and returns the commit.
func (p *place) commit(value string) string {
	p.T.Helper()
	content := map[string]string{}
	for _, name := range []string{"one", "two"} {
		content[name+"/config.yaml"] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {key: %q}\n", name, p.Namespace, value)
	}
	id, err := p.repo.Commit(p.T.Context(), "main", "say "+value, content)
	if err != nil {
		p.T.Fatal(err)
	}
	return id
}

func (p *place) source(name string) {
	p.T.Helper()
	p.Create(p.Manifest("source.toolkit.fluxcd.io/v1", "GitRepository", name, "url: "+p.server.RepoURL(p.repo), "ref: {branch: main}"))
}

// apply creates the Kustomization of a folder.
func (p *place) apply(name, folder string, spec ...string) {
	p.T.Helper()
	text := append([]string{"prune: true", "path: ./" + folder}, spec...)
	if !strings.Contains(strings.Join(spec, "\n"), "sourceRef:") {
		text = append(text, "sourceRef: {kind: GitRepository, name: repo}")
	}
	p.Create(p.Manifest("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, text...))
}

// edit changes an applied object, and waits until that is undone.
func (p *place) edit(name, value string) {
	p.T.Helper()
	p.Patch(harness.ConfigMaps, name, map[string]any{"data": map[string]any{"key": "edited"}})
	p.Wait(harness.ConfigMaps, name, says(value))
}

func says(value string) world.Is { return harness.Field(value, "data", "key") }

// launch starts a daemon with the arguments of a Deployment, a folder for what its volume
// would keep, and more.
func (p *place) launch(deployment, cache string, more ...string) *harness.Daemon {
	p.T.Helper()
	args, err := harness.Arguments(p.objects, deployment)
	if err != nil {
		p.T.Fatal(err)
	}
	args = append(append(args, "--cache-dir="+filepath.Join(p.dir, cache), "--min-retry-delay=200ms"), more...)
	d, err := harness.Start(binary, credentials, args...)
	if err != nil {
		p.T.Fatal(err)
	}
	p.T.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), world.Patience)
		defer cancel()
		_ = d.Stop(ctx) // or it has ended, or the test has failed; the Lease is to be given back
		if p.T.Failed() {
			p.T.Logf("the log of %s:\n%s", deployment, strings.Join(d.Logs(), "\n"))
		}
	})
	ctx, cancel := context.WithTimeout(p.T.Context(), world.Patience)
	defer cancel()
	if err := d.Ready(ctx); err != nil {
		p.T.Fatal(err)
	}
	return d
}

// finish ends a daemon in good order.
func (p *place) finish(d *harness.Daemon) {
	p.T.Helper()
	ctx, cancel := context.WithTimeout(p.T.Context(), world.Patience)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		p.T.Errorf("the daemon did not end in good order: %v", err)
	}
}

// runs is how often a daemon has reconciled an object of the namespace.
func (p *place) runs(d *harness.Daemon, kind, name string) float64 {
	p.T.Helper()
	text, err := d.Metrics()
	if err != nil {
		p.T.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "gotk_reconcile_duration_seconds_count{") && strings.Contains(line, `kind="`+kind+`"`) &&
			strings.Contains(line, `name="`+name+`"`) && strings.Contains(line, `namespace="`+p.Namespace+`"`) {
			var count float64
			if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' '):], &count); err != nil {
				p.T.Fatal(err)
			}
			return count
		}
	}
	return 0
}

// applied says whether a Kustomization is ready at a commit.
func applied(commit string) world.Is {
	return world.All(harness.Ready, harness.Field("main@sha1:"+commit, "status", "lastAppliedRevision"))
}

// quick are flags by which a Lease changes hands within a test.
func quick() []string {
	return []string{"--leader-election-lease-duration=3s", "--leader-election-renew-deadline=2s", "--leader-election-retry-period=200ms"}
}

// patience is how long what should be soon may take.
const patience = world.Patience + 10*time.Second
