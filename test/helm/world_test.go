package helm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	chart3 "helm.sh/helm/v3/pkg/chart"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/program"
)

// plane is the control plane of all tests here. Each test has a namespace of its own.
var plane *controlplane.ControlPlane

func TestMain(m *testing.M) {
	program.Main(m, func(ctx context.Context, stops *program.Stops) (err error) {
		if plane, err = controlplane.Start(ctx, controlplane.Options{Audit: true, Nodes: 1}); err == nil {
			stops.Add(plane.Stop)
		}
		return err
	})
}

// world is a release of ours in a namespace of its own.
type world struct {
	*release.Releaser
	t         *testing.T
	namespace string
	target    release.Target
	woken     chan struct{}
	config    *rest.Config
	kubeconf  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, woken: make(chan struct{}, 1000)}
	w.namespace = strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	w.namespace = w.namespace[:min(len(w.namespace), 60)]
	w.kubectl("create", "namespace", w.namespace)
	var err error
	if w.kubeconf, err = plane.KubeconfigFor(controlplane.FluxdUser); err != nil {
		t.Fatal(err)
	}
	if w.config, err = clientcmd.BuildConfigFromFlags("", w.kubeconf); err != nil {
		t.Fatal(err)
	}
	w.config.QPS = -1
	w.restart()
	return w
}

// restart forgets everything that a process knows.
func (w *world) restart() {
	w.t.Helper()
	clients, err := kube.NewClients(rest.AddUserAgent(w.config, "helm-test"), runtime.NewScheme())
	if err != nil {
		w.t.Fatal(err)
	}
	secrets, err := kube.NewRecords(clients)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := release.ApplyConfig()
	cfg.Dynamic, cfg.Mapper = clients.Dynamic, clients.Mapper
	cfg.Wake = func(apply.Owner, time.Duration) {
		select {
		case w.woken <- struct{}{}:
		default:
		}
	}
	applier := apply.New(cfg)
	w.t.Cleanup(applier.Close)
	w.Releaser = release.New(release.Config{})
	w.target = release.Target{
		Owner: apply.Owner{Namespace: w.namespace, Name: "web"}, Name: "web", Namespace: w.namespace, Storage: w.namespace,
		Applier: applier, Secrets: secrets,
	}
}

func (w *world) kubectl(args ...string) string {
	w.t.Helper()
	out, err := plane.Kubectl(w.t.Context(), args...)
	if err != nil {
		w.t.Fatal(err, out)
	}
	return strings.TrimSpace(out)
}

// jsonpath reads a field of an object with kubectl.
func (w *world) jsonpath(path string, args ...string) string {
	w.t.Helper()
	return w.kubectl(append([]string{"-n", w.namespace, "get", "-o", "jsonpath=" + path, "--ignore-not-found"}, args...)...)
}

// flags are how the libraries of Helm reach the control plane.
func (w *world) flags() *genericclioptions.ConfigFlags {
	f := genericclioptions.NewConfigFlags(false)
	f.KubeConfig, f.Namespace = &w.kubeconf, &w.namespace
	return f
}

// drive calls an action until it is done, waking up as it is woken.
func (w *world) drive(call func() (release.Step, error)) release.Step {
	w.t.Helper()
	limit := time.After(time.Minute)
	for {
		step, err := call()
		if err != nil {
			w.t.Fatal(err)
		}
		if step.Done {
			return step
		}
		select {
		case <-w.woken:
		case <-time.After(step.Waiting.After):
		case <-limit:
			w.t.Fatalf("still waiting for %s", step.Waiting.What)
		}
		call = func() (release.Step, error) { return w.Continue(w.t.Context(), w.target) }
	}
}

// succeed is drive for an action that has to succeed.
func (w *world) succeed(call func() (release.Step, error)) release.Step {
	w.t.Helper()
	step := w.drive(call)
	if step.Failure != nil {
		w.t.Fatal(step.Failure)
	}
	return step
}

func options(attempt string) release.Options {
	return release.Options{Attempt: attempt, Timeout: time.Minute, WaitForJobs: true}
}

// rendered is a chart of one ConfigMap with a value, and a hook.
func (w *world) rendered(value string) release.Rendered {
	return release.Rendered{
		Chart: &release.Chart{
			Metadata:  &chart3.Metadata{Name: "c", Version: "1.0." + value, AppVersion: "2", APIVersion: "v2"},
			Templates: []*chart3.File{{Name: "templates/a.yaml", Data: []byte(template)}},
			Values:    map[string]any{"value": "0"},
		},
		Values: map[string]any{"value": value}, Notes: "hello " + value, Manifest: manifest(value), Hooks: []*release.Hook{hook()},
	}
}

const template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: \"{{ .Values.value }}\"\n"

func manifest(value string) string {
	return "---\n# Source: c/templates/a.yaml\n" + strings.ReplaceAll(template, "{{ .Values.value }}", value)
}

// hook is one that is done once it exists.
func hook() *release.Hook {
	return &release.Hook{
		Name: "h", Kind: "ConfigMap", Path: "c/templates/h.yaml", Events: []hookEvent{"pre-install", "pre-upgrade"},
		Manifest:       "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: h\n  annotations:\n    helm.sh/hook: pre-install,pre-upgrade\n",
		DeletePolicies: []deletePolicy{"before-hook-creation"},
	}
}

func (w *world) install(value string, change ...func(*release.Install)) release.Step {
	w.t.Helper()
	in := release.Install{Options: options("install"), Rendered: w.rendered(value), TakeOwnership: true}
	for _, c := range change {
		c(&in)
	}
	return w.succeed(func() (release.Step, error) { return w.Install(w.t.Context(), w.target, in) })
}

func (w *world) upgrade(value string, change ...func(*release.Upgrade)) release.Step {
	w.t.Helper()
	last := w.last()
	up := release.Upgrade{
		Options: options("upgrade " + value), Rendered: w.rendered(value), TakeOwnership: true, Revision: last.Version + 1,
		Method: release.MethodOf("", last.Method), MaxHistory: 10,
	}
	for _, c := range change {
		c(&up)
	}
	return w.succeed(func() (release.Step, error) { return w.Upgrade(w.t.Context(), w.target, up) })
}

func (w *world) last() *release.Observation {
	w.t.Helper()
	o, err := w.Last(w.t.Context(), w.target, release.Tag{})
	if err != nil || o == nil {
		w.t.Fatalf("no last revision (%v)", err)
	}
	return o
}

func equal(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got): %s", what, diff)
	}
}

// digest is that of a value as the stock controller makes it.
func digest(t testing.TB, v any) string {
	t.Helper()
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(v); err != nil {
		t.Fatal(err)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
