package sources

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// own is a world with a daemon of its own and one source of each kind, each with
// a server of its own.
type own struct {
	sources
	env      []string // of the daemon, besides that of the test
	daemon   *harness.Daemon
	registry *upstream.Registry
	s3       *upstream.S3
	charts   *upstream.HelmIndex
}

// alone returns such a world without a daemon and without anything in it.
func alone(t *testing.T) *own {
	t.Helper()
	return &own{sources: sources{world.New(t, cluster, "{"+ownLabel+": "+world.NamespaceOf(t)+"}")}}
}

// newOwn returns such a world once everything in it is ready.
func newOwn(t *testing.T, flags ...string) *own {
	t.Helper()
	t.Parallel()
	w := alone(t)
	w.start(flags...)
	w.registry, w.s3 = w.sources.registry(upstream.RegistryOptions{}), w.sources.s3(upstream.Security{})
	w.charts = w.sources.charts(upstream.HelmIndexOptions{}, web("1.0.0"))
	w.keys()
	w.push(w.registry, "apps/web", "1.0.0", files{"config.yaml": configMap("from-oci", "1")})
	w.put(w.s3, files{"config.yaml": configMap("from-bucket", "1")})
	w.sources.source("OCIRepository", "oci", ociURL(w.registry, "apps/web"), "ref: {tag: 1.0.0}")
	w.bucket("bucket", w.s3)
	w.sources.source("HelmRepository", "charts", "url: "+w.charts.URL)
	w.chart("chart", "web", "HelmRepository", "charts")
	w.apply("from-oci", "OCIRepository", "oci")
	w.apply("from-bucket", "Bucket", "bucket")
	w.ready()
	return w
}

// everything is what such a world has.
var everything = map[string]schema.GroupVersionResource{
	"oci": api.OCIRepositoryGVR, "bucket": api.BucketGVR, "charts": api.HelmRepositoryGVR, "chart": api.HelmChartGVR,
	"from-oci": api.KustomizationGVR, "from-bucket": api.KustomizationGVR,
}

func (w *own) ready() {
	w.T.Helper()
	for name, gvr := range everything {
		w.Wait(gvr, name, harness.Ready)
	}
}

// start starts the daemon, and has it end in good order with the test unless it
// was taken away before.
func (w *own) start(flag ...string) {
	w.T.Helper()
	d, err := harness.StartWith(w.env, binary, credentials, append(append(flags(), "--watch-label-selector="+ownLabel+"="+w.Namespace), flag...)...)
	if err != nil {
		w.T.Fatal(err)
	}
	w.daemon = d
	w.T.Cleanup(func() {
		if w.daemon != d {
			return
		}
		if err := end(d); err != nil {
			w.T.Error(err)
		}
		if w.T.Failed() {
			w.T.Logf("the log of the daemon:\n%s", strings.Join(d.Logs(), "\n"))
		}
	})
}

// restart ends the daemon as a power loss would and starts another one, which has
// nothing in memory.
func (w *own) restart(flags ...string) {
	w.T.Helper()
	if err := w.daemon.Kill(); err != nil {
		w.T.Fatal(err)
	}
	w.start(flags...)
}

// handled has everything reconciled by request, as the sure sign that the daemon
// has been at it since.
func (w *own) handled() {
	w.T.Helper()
	for name, gvr := range everything {
		w.Reconciled(gvr, name)
	}
}

// shut makes all servers go, and open undoes it.
func (w *own) shut() {
	w.T.Helper()
	for _, d := range w.doors() {
		if err := d.Shut(); err != nil {
			w.T.Fatal(err)
		}
	}
}

func (w *own) open() {
	w.T.Helper()
	for _, d := range w.doors() {
		if err := d.Open(); err != nil {
			w.T.Fatal(err)
		}
	}
}

func (w *own) doors() []*upstream.Door {
	return []*upstream.Door{w.registry.Door, w.s3.Door, w.charts.Door}
}

// unready watches everything until the function it returns is called, which returns
// what was ever not ready in between.
func (w *own) unready() (stop func() []string) {
	w.T.Helper()
	ctx, cancel := context.WithCancel(w.T.Context())
	found := make(chan string, 1000)
	done := make(chan struct{}, len(everything))
	for name, gvr := range everything {
		watch, err := w.Cluster.Dynamic.Resource(gvr).Namespace(w.Namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
		if err != nil {
			cancel()
			w.T.Fatal(err)
		}
		go func() {
			defer func() { done <- struct{}{} }()
			for event := range watch.ResultChan() {
				obj, ok := event.Object.(*unstructured.Unstructured)
				if status, reason, message := harness.Condition(obj, "Ready"); ok && status != "True" {
					found <- obj.GetKind() + " " + name + ": " + status + "/" + reason + ": " + message
				}
			}
		}()
	}
	return func() []string {
		cancel()
		for range everything {
			<-done
		}
		close(found)
		var all []string
		for f := range found {
			all = append(all, f)
		}
		return all
	}
}

func TestRestartKeepsReady(t *testing.T) {
	w := newOwn(t)
	before := map[string]string{}
	for name, gvr := range everything {
		before[name] = world.Field(w.Get(gvr, name), "status", "artifact", "lastUpdateTime") + " " + world.Revision(w.Get(gvr, name))
	}
	stop := w.unready()
	w.restart()
	if err := w.daemon.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The store fills without that anybody asks: what drifts is put right from it.
	for _, name := range []string{"from-oci", "from-bucket"} {
		w.Patch(harness.ConfigMaps, name, map[string]any{"data": map[string]any{"key": "edited"}})
		w.Wait(harness.ConfigMaps, name, data("1"))
	}
	w.handled()
	if found := stop(); len(found) > 0 {
		t.Errorf("in between there was\n%s", strings.Join(found, "\n"))
	}
	for name, gvr := range everything {
		obj := w.Get(gvr, name)
		world.Equal(t, "artifact of "+name, before[name], world.Field(obj, "status", "artifact", "lastUpdateTime")+" "+world.Revision(obj))
	}
	// A new revision arrives as ever.
	w.push(w.registry, "apps/web", "1.0.0", files{"config.yaml": configMap("from-oci", "2")})
	w.put(w.s3, files{"config.yaml": configMap("from-bucket", "2")})
	w.publish(w.charts, web("1.1.0"))
	for _, name := range []string{"oci", "bucket", "charts"} {
		w.Request(everything[name], name)
	}
	w.Wait(harness.ConfigMaps, "from-oci", data("2"))
	w.Wait(harness.ConfigMaps, "from-bucket", data("2"))
	w.Wait(api.HelmChartGVR, "chart", at("1.1.0"))
}

func TestServersGone(t *testing.T) {
	w := newOwn(t)
	revision := map[string]string{}
	sourceKinds := []string{"oci", "bucket", "charts"}
	for _, name := range sourceKinds {
		revision[name] = world.Revision(w.Get(everything[name], name))
	}
	w.shut()
	for _, name := range sourceKinds {
		obj := w.Wait(everything[name], name, harness.Field(w.Request(everything[name], name), "status", "lastHandledReconcileAt"))
		if failed, message := world.Condition(obj, "FetchFailed"); !strings.HasPrefix(failed, "True/") {
			t.Errorf("%s: FetchFailed is %q: %s", name, failed, message)
		}
		world.Equal(t, "revision of "+name, revision[name], world.Revision(obj))
	}
	// Who applies an artifact goes on with it.
	for _, name := range []string{"from-oci", "from-bucket"} {
		w.Patch(harness.ConfigMaps, name, map[string]any{"data": map[string]any{"key": "edited"}})
		w.Wait(harness.ConfigMaps, name, data("1"))
		w.Reconciled(api.KustomizationGVR, name)
		w.Wait(api.KustomizationGVR, name, harness.Ready)
	}
	w.Reconciled(api.HelmChartGVR, "chart")
	w.Wait(api.HelmChartGVR, "chart", at("1.0.0"))
	w.open()
	w.ready()
}

func TestRestartWithTheServersGone(t *testing.T) {
	cache := "--cache-dir=" + t.TempDir()
	w := newOwn(t, cache)
	w.handled() // what is written behind has been
	w.shut()
	w.restart(cache)
	for _, name := range []string{"from-oci", "from-bucket"} {
		w.Patch(harness.ConfigMaps, name, map[string]any{"data": map[string]any{"key": "edited"}})
		w.Wait(harness.ConfigMaps, name, data("1"))
	}
	for name, gvr := range everything {
		if gvr == api.KustomizationGVR {
			w.Wait(gvr, name, harness.Ready)
		}
	}
	w.open()
	w.ready()
}

// A source that is suspended is left alone, and yet those who apply it can go on
// with what it had.
func TestRestartOfTheSuspended(t *testing.T) {
	w := newOwn(t)
	suspended := map[string]string{}
	for _, name := range []string{"oci", "bucket"} {
		w.Patch(everything[name], name, map[string]any{"spec": map[string]any{"suspend": true}})
		suspended[name] = world.Revision(w.Get(everything[name], name))
	}
	w.push(w.registry, "apps/web", "1.0.0", files{"config.yaml": configMap("from-oci", "2")})
	w.restart()
	for _, name := range []string{"from-oci", "from-bucket"} {
		w.Patch(harness.ConfigMaps, name, map[string]any{"data": map[string]any{"key": "edited"}})
		w.Wait(harness.ConfigMaps, name, data("1"))
		w.Reconciled(api.KustomizationGVR, name)
		w.Wait(api.KustomizationGVR, name, harness.Ready)
	}
	for name, revision := range suspended {
		world.Equal(t, "revision of "+name, revision, world.Revision(w.Get(everything[name], name)))
	}
	for name := range suspended {
		w.Patch(everything[name], name, map[string]any{"spec": map[string]any{"suspend": false}})
	}
	w.Wait(harness.ConfigMaps, "from-oci", data("2"))
}
