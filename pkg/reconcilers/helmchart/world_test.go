package helmchart_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/reconcilers/helmchart"
	"github.com/fluxd/fluxd/pkg/reconcilers/reconcilertest"
	"github.com/fluxd/fluxd/pkg/sources/helm"
	"github.com/fluxd/fluxd/pkg/sources/helm/helmtest"
	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/transport"
)

// world is a server, the sources that there are, and a reconciler.
type world struct {
	t       *testing.T
	server  *helmtest.Server
	store   *artifacts.Store
	secrets secrets
	sources map[string]api.Source // by kind/name
	root    *signature.Root
	dir     string // of the artifacts on disk, if any are
	plugin  reconcilers.Plugin
}

// secret is the data of a Secret and its type.
type secret struct {
	kind string
	data map[string][]byte
}

type secrets map[string]secret

func (s secrets) Secret(_ context.Context, namespace, name string) (map[string][]byte, string, error) {
	found, ok := s[namespace+"/"+name]
	if !ok {
		return nil, "", apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	return found.data, found.kind, nil
}

// Source implements [helmchart.Objects].
func (w *world) Source(kind, namespace, name string) (api.Source, bool) {
	source, ok := w.sources[kind+"/"+name]
	return source, ok && namespace == "ns"
}

// Repositories implements [helmchart.Objects].
func (w *world) Repositories(namespace string) []*v1.HelmRepository {
	var all []*v1.HelmRepository
	for _, s := range w.sources {
		if r, ok := s.(*v1.HelmRepository); ok && namespace == "ns" {
			all = append(all, r)
		}
	}
	return all
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, server: helmtest.New(), secrets: secrets{}, sources: map[string]api.Source{}}
	t.Cleanup(w.server.Close)
	w.restart()
	w.offer("1.0.0", "1.1.0", "2.0.0-rc.1")
	return w
}

// restart makes memory cold.
func (w *world) restart() {
	w.t.Helper()
	if w.store != nil {
		w.store.Close()
	}
	store, err := artifacts.New(artifacts.Options{CacheDir: w.dir})
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = store
	w.plugin = helmchart.Plugin(attempt.Config{
		Store: store, Secrets: w.secrets, Hosts: transport.NewHosts(), BaseURL: "http://source/", Clouds: identity.New(identity.Options{}),
	}, w, helm.NewIndexes(func(helm.Source) []helm.Want { return nil }), helmchart.Options{
		RequeueDependency: 30 * time.Second, Root: func(context.Context) (*signature.Root, error) { return w.root, nil },
	})
}

// chart is what the server has of a version of app.
func chart(version string) []byte {
	return helmtest.Chart("app", version, helmtest.Member{Name: "app/prod.yaml", Content: "size: 3\n"})
}

// offer has the server offer versions of app, and the HelmRepository say so.
func (w *world) offer(versions ...string) {
	w.t.Helper()
	entries := []string{"app"}
	for _, v := range versions {
		entries = append(entries, w.server.Offer("app", v, chart(v)))
	}
	index := w.server.Publish(entries)
	digest := "sha256:" + helmtest.Digest(index)
	w.repository("charts").Status.Artifact = &api.Artifact{Revision: digest, Digest: digest}
}

// repository returns the HelmRepository of a name and adds it if there is none.
func (w *world) repository(name string) *v1.HelmRepository {
	if known, ok := w.sources["HelmRepository/"+name].(*v1.HelmRepository); ok {
		return known
	}
	r := &v1.HelmRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Generation: 1},
		Spec:       v1.HelmRepositorySpec{URL: w.server.URL, Timeout: &metav1.Duration{Duration: 5 * time.Second}},
	}
	w.sources["HelmRepository/"+name] = r
	return r
}

// git makes files the artifact of a GitRepository.
func (w *world) git(revision string, files map[string]string) {
	w.t.Helper()
	b := w.store.NewBuilder(artifacts.Limits{})
	for name, content := range files {
		if err := b.AddFile(name, 0o644, []byte(content)); err != nil {
			w.t.Fatal(err)
		}
	}
	tree, _, err := b.Build()
	if err != nil {
		w.t.Fatal(err)
	}
	stored, err := w.store.Put(artifacts.Owner{Kind: api.GitRepositoryKind, Namespace: "ns", Name: "repo"}, revision, tree, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sources["GitRepository/repo"] = &v1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "repo"},
		Status:     v1.GitRepositoryStatus{Artifact: &api.Artifact{Revision: revision, Digest: stored.Digest}},
	}
}

// object returns a HelmChart of the chart app of the HelmRepository.
func (w *world) object(change ...func(*v1.HelmChart)) *v1.HelmChart {
	o := &v1.HelmChart{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app", Generation: 1},
		Spec: v1.HelmChartSpec{
			Chart: "app", Version: "*", Interval: metav1.Duration{Duration: time.Minute},
			SourceRef:         v1.LocalHelmChartSourceReference{Kind: api.HelmRepositoryKind, Name: "charts"},
			ReconcileStrategy: v1.ReconcileChartVersion,
		},
	}
	o.SetGroupVersionKind(api.HelmChartGVK)
	for _, f := range change {
		f(o)
	}
	return o
}

// fromGit makes it a HelmChart of a path of the GitRepository.
func fromGit(path string) func(*v1.HelmChart) {
	return func(o *v1.HelmChart) {
		o.Spec.Chart = path
		o.Spec.SourceRef = v1.LocalHelmChartSourceReference{Kind: api.GitRepositoryKind, Name: "repo"}
	}
}

// reconcile runs once, and settles as the engine would as far as it matters here.
func (w *world) reconcile(o *v1.HelmChart) (reconcilers.Result, error) {
	w.t.Helper()
	result, err := reconcilertest.Reconcile(w.t.Context(), w.t, w.plugin, o)
	if _, stalled := errors.AsType[*fault.StalledError](err); err == nil || stalled {
		o.Status.ObservedGeneration = o.Generation
	}
	return result, err
}

func (w *world) ready(o *v1.HelmChart) reconcilers.Result {
	w.t.Helper()
	result, err := w.reconcile(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// archive returns the stored bytes of a HelmChart, and checks what the status says
// of them.
func (w *world) archive(o *v1.HelmChart) []byte {
	w.t.Helper()
	a := o.Status.Artifact
	tree, release, err := w.store.Open(artifacts.Owner{Kind: api.HelmChartKind, Namespace: o.Namespace, Name: o.Name}, a.Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	defer release()
	data, err := fs.ReadFile(tree, strings.TrimPrefix(a.Path, "helmchart/ns/app/"))
	if err != nil {
		w.t.Fatal(err)
	}
	if a.Digest != "sha256:"+helmtest.Digest(data) || *a.Size != int64(len(data)) {
		w.t.Errorf("the artifact is %+v, its bytes have the digest %s and the size %d", a, helmtest.Digest(data), len(data))
	}
	return data
}

// file returns a file of the stored chart.
func (w *world) file(o *v1.HelmChart, name string) string {
	w.t.Helper()
	all, err := helmtest.Files(w.archive(o))
	if err != nil {
		w.t.Fatal(err)
	}
	return all[name]
}

// failure is how a reconcile is to end.
type failure struct {
	condition, reason string
	stalls            bool
	text              string // in the message
}

func (w *world) fails(o *v1.HelmChart, want failure) {
	w.t.Helper()
	_, err := w.reconcile(o)
	if err == nil {
		w.t.Fatalf("it succeeded, want %+v", want)
	}
	_, stalled := errors.AsType[*fault.StalledError](err)
	c := conditions.Get(o.Status.Conditions, want.condition)
	if fault.Reason(err, "") != want.reason || stalled != want.stalls || c == nil || c.Reason != want.reason || !strings.Contains(err.Error(), want.text) {
		w.t.Errorf("got %v (%s, stalled %t), %+v, want %+v", err, fault.Reason(err, ""), stalled, c, want)
	}
	if strings.Contains(err.Error(), "hidden") {
		w.t.Errorf("a secret is in %v", err)
	}
}
