package tenants

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// attack is one thing that a tenant tries. Its name is that of the object, and of the
// object's folder in the repository of the tenant.
type attack struct {
	// fields are what it is tried with, as "Kind path".
	fields []string
	// kind is that of the object, and spec are lines of YAML. What a Kustomization or
	// HelmRelease needs is added: the folder, and the account "deployer".
	kind string
	spec string
	// annotations are those of the object, as a YAML mapping.
	annotations string
	// files are those of the folder. In these and in spec and before, $TRAP is the address
	// of a server that nobody may ask, $REDIRECT of one that leads to where clouds
	// hand out credentials, $OWN the tenant's repository, $GUARDED the victim's server.
	files files
	// repo makes a repository of the attack's own, whose URL $REPO is in spec.
	repo func(t *testing.T, repo *gittest.Repo, places *strings.Replacer)
	// before are more manifests, created before the object.
	before string
	// act is done when the object is there.
	act func(w *world.World, name string)

	// refused is what the API server says to the object, if that refuses it.
	refused string
	// ready is how the condition Ready ends, as status/reason, and says what is in its
	// message. With fails, that is False for some reason.
	ready string
	says  []string
	fails bool
	// then looks at what has become of it.
	then func(w *world.World, name string)
}

// attacks are all of them.
func attacks() map[string]attack {
	all := map[string]attack{}
	for _, some := range []map[string]attack{
		onSources(), onAccounts(), onClusters(), onConfigs(), onDependencies(), onNamespaces(), onBuilds(),
		onCharts(), onReleases(), onRemotes(), onSecretsOfSources(), onTrees(), onRepositories(), onServices(), onStatus(),
	} {
		for name, a := range some {
			if _, twice := all[name]; twice {
				panic("two attacks are called " + name)
			}
			all[name] = a
		}
	}
	return all
}

// resources are those of the kinds of fluxd.
func resourceOf(kind string) schema.GroupVersionResource {
	for _, r := range api.Resources() {
		if r.Kind.Kind == kind {
			return r.Name
		}
	}
	panic("no kind " + kind)
}

// manifest is that of the object of an attack.
func (a attack) manifest(name string) string {
	gvr, spec := resourceOf(a.kind), a.spec
	add := func(field, line string) {
		if !strings.Contains("\n"+spec, "\n"+field) && !strings.Contains(spec, "# "+field) {
			spec += "\n" + line
		}
	}
	switch a.kind {
	case api.KustomizationKind:
		add("path:", "path: ./"+name)
		add("prune:", "prune: true")
		add("sourceRef:", "sourceRef: {kind: GitRepository, name: repo}")
		add("serviceAccountName:", "serviceAccountName: deployer")
		add("timeout:", "timeout: 30s")
	case api.HelmReleaseKind:
		if !strings.Contains(spec, "chartRef:") {
			add("chart:", "chart: {spec: {chart: ./"+name+", sourceRef: {kind: GitRepository, name: repo}}}")
		}
		add("serviceAccountName:", "serviceAccountName: deployer")
	}
	if a.kind != api.ExternalArtifactKind {
		add("interval:", "interval: 1h")
	}
	if a.annotations == "" {
		a.annotations = "{}"
	}
	if spec = strings.TrimSpace(spec); spec == "" {
		spec = "{}"
	}
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: %s, annotations: %s}\nspec:\n  %s\n",
		gvr.GroupVersion(), a.kind, name, mallory, a.annotations, strings.ReplaceAll(spec, "\n", "\n  "))
}

// makeRepoOf makes a repository of the tenant, and returns its URL.
func makeRepoOf(t *testing.T, name string, content files) string {
	t.Helper()
	repo, err := gittest.NewRepo(t.Context(), open.Root, name)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, repo, content)
	return open.RepoURL(repo)
}

// makeRepo makes the repository with the folders of all attacks, and the source "repo".
func makeRepo(t *testing.T, all map[string]attack, places *strings.Replacer) {
	t.Helper()
	content := files{"README.md": "nothing to see here\n"}
	for name, a := range all {
		for file, text := range a.files {
			content[name+"/"+file] = places.Replace(text)
		}
	}
	url := makeRepoOf(t, mallory, content)
	w := attacker(t)
	w.Create("apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: repo, namespace: NS}\nspec: {interval: 1h, url: " + url + ", ref: {branch: main}}")
	w.Wait(harness.Sources, "repo", harness.Ready)
}

// images starts a registry with an image of the tenant's and a chart, and returns its host.
func images(t *testing.T) string {
	t.Helper()
	r, err := upstream.StartRegistry(t.Context(), upstream.RegistryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	image, err := upstream.FluxArtifact(files{"a.yaml": mine("a")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	chart, tag, err := upstream.Chart{Name: "small", Version: "1.0.0"}.Artifact()
	if err != nil {
		t.Fatal(err)
	}
	for repository, one := range map[string]struct {
		upstream.Artifact
		tag string
	}{"r": {image, "latest"}, "charts/small": {chart, tag}} {
		if _, err := r.Push(t.Context(), repository, one.tag, one.Artifact); err != nil {
			t.Fatal(err)
		}
	}
	return r.Host()
}

// run tries an attack and sees how it ends.
func (a attack) run(t *testing.T, name string, places *strings.Replacer) {
	w := attacker(t)
	a.spec, a.before = places.Replace(a.spec), places.Replace(a.before)
	if a.repo != nil {
		repo, err := gittest.NewRepo(t.Context(), open.Root, name)
		if err != nil {
			t.Fatal(err)
		}
		a.repo(t, repo, places)
		a.spec = strings.ReplaceAll(a.spec, "$REPO", open.RepoURL(repo)+"\nref: {branch: main}")
	}
	if a.before != "" {
		if _, err := w.Cluster.Create(t.Context(), strings.ReplaceAll(a.before, "namespace: NS", "namespace: "+mallory)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.Cluster.Create(t.Context(), a.manifest(name))
	if a.refused != "" {
		if err == nil || !strings.Contains(err.Error(), a.refused) {
			t.Fatalf("the API server says %v, not %q", err, a.refused)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if a.act != nil {
		a.act(w, name)
	}
	if a.ready != "" || a.fails {
		w.Wait(resourceOf(a.kind), name, a.ended)
	}
	if a.then != nil {
		a.then(w, name)
	}
}

// ended says whether the object is as the attack has to leave it.
func (a attack) ended(obj *unstructured.Unstructured) bool {
	short, message := world.Condition(obj, api.ConditionReady)
	if a.fails && !strings.HasPrefix(short, "False/") || !a.fails && short != a.ready {
		return false
	}
	for _, part := range a.says {
		if !strings.Contains(message, part) {
			return false
		}
	}
	return true
}

// A hostile tenant tries everything at once.
func TestAttacks(t *testing.T) {
	home, neighbour := admin(t, victim), admin(t, victim)
	home.Wait(harness.Kustomized, "app", harness.Ready)
	home.Wait(api.HelmReleaseGVR, "web", harness.Ready)
	before := takeStock(t)
	all := attacks()
	forbidden, redirect := newTrap(t, http.NotFound), newTrap(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254"+r.URL.Path, http.StatusFound)
	})
	// Services of the victim that let in whoever reaches them, and are no sources.
	services := map[string]*trap{}
	for name, status := range map[string]int{"$SERVED": http.StatusOK, "$DENIED": http.StatusForbidden, "$BROKEN": http.StatusBadRequest} {
		services[name] = newTrap(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, canary+"\nword: "+canary+"\n\t"+canary+": [\n") // or the client is gone
		})
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that have to fail
	places := strings.NewReplacer("$SERVED", services["$SERVED"].Listener.Addr().String(), "$DENIED", services["$DENIED"].Listener.Addr().String(),
		"$BROKEN", services["$BROKEN"].Listener.Addr().String(), "$TLS", secure.Listener.Addr().String(), "$TRAP", forbidden.Listener.Addr().String(), "$REDIRECT", redirect.Listener.Addr().String(), "$GUARDEDROOT", guarded.Root, "$GUARDED", guarded.URL, "$OWN", open.URL+"/mallory\nref: {branch: main}", "$IMAGES", images(t))
	makeRepo(t, all, places)
	t.Run("by", func(t *testing.T) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				all[name].run(t, name, places)
			})
		}
	})
	if n := len(forbidden.seen); n > 0 {
		t.Errorf("somebody came to where nobody may go, %d times, first with %s", n, <-forbidden.seen)
	}
	before.check(t)
	// Nobody else has to wait, or has anything to mend.
	neighbour.T = t
	at := time.Now().Format(time.RFC3339Nano)
	neighbour.Patch(harness.Kustomized, "app", map[string]any{"metadata": map[string]any{"annotations": map[string]any{api.AnnotationReconcileRequest: at}}})
	neighbour.Wait(harness.Kustomized, "app", world.All(harness.Ready, harness.Field(at, "status", "lastHandledReconcileAt")))
}
