package apply

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/program"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
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

// world is one owner, with an applier of its own, in a namespace of its own.
type world struct {
	*apply.Applier
	t         *testing.T
	namespace string
	owner     apply.Owner
	woken     chan time.Time
	inv       apply.Inventory
}

func newWorld(t *testing.T, change ...func(*apply.Config)) *world {
	t.Helper()
	w := &world{t: t, woken: make(chan time.Time, 1000)}
	w.namespace = strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	w.namespace = w.namespace[:min(len(w.namespace), 60)]
	w.owner = apply.Owner{Namespace: w.namespace, Name: "app"}
	w.kubectl("create", "namespace", w.namespace)
	w.start(change...)
	return w
}

// start gives w a new applier, as a restart of the process would.
func (w *world) start(change ...func(*apply.Config)) {
	w.t.Helper()
	clients := w.clients()
	cfg := apply.Config{
		Dynamic: clients.Dynamic, Mapper: clients.Mapper, Manager: api.ManagerKustomize,
		Labels:     apply.Labels{Name: api.LabelKustomizationName, Namespace: api.LabelKustomizationNamespace},
		MarkPrefix: api.KustomizeGroup,
		Wake: func(o apply.Owner, _ time.Duration) {
			if o == w.owner {
				w.woken <- time.Now()
			}
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	w.Applier = apply.New(cfg)
	w.t.Cleanup(w.Close)
}

func (w *world) clients() *kube.Clients {
	w.t.Helper()
	path, err := plane.KubeconfigFor(controlplane.FluxdUser)
	if err != nil {
		w.t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		w.t.Fatal(err)
	}
	config.QPS = -1
	clients, err := kube.NewClients(rest.AddUserAgent(config, "apply-test"), runtime.NewScheme())
	if err != nil {
		w.t.Fatal(err)
	}
	return clients
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

// objects parses manifests; NS in them is the namespace of w.
func (w *world) objects(manifests string) []*unstructured.Unstructured {
	w.t.Helper()
	var objects []*unstructured.Unstructured
	d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(strings.ReplaceAll(manifests, "NS", w.namespace)), 4096)
	for {
		obj := &unstructured.Unstructured{}
		if err := d.Decode(&obj.Object); err != nil {
			return objects
		}
		if len(obj.Object) > 0 {
			objects = append(objects, obj)
		}
	}
}

// request is one for manifests.
func (w *world) request(manifests string) apply.Request {
	return apply.Request{Owner: w.owner, Objects: w.objects(manifests), Inventory: w.inv}
}

// pass plans and applies once.
func (w *world) pass(r apply.Request) (apply.Outcome, error) {
	w.t.Helper()
	p, err := w.Plan(w.t.Context(), r)
	if err != nil {
		return apply.Outcome{}, err
	}
	w.inv = w.inv.Union(p.Additions)
	out, err := w.Apply(w.t.Context(), p)
	if err == nil && len(out.Waiting) == 0 {
		w.inv = out.Inventory
	}
	return out, err
}

// apply runs passes until nothing is waited for, and returns the changes of all.
func (w *world) apply(manifests string, change ...func(*apply.Request)) []string {
	w.t.Helper()
	var changes []string
	for {
		r := w.request(manifests)
		for _, c := range change {
			c(&r)
		}
		out, err := w.pass(r)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, c := range out.Changes {
			if c.Action != apply.Unchanged {
				changes = append(changes, strings.ReplaceAll(c.String(), w.namespace, "NS"))
			}
		}
		if len(out.Waiting) == 0 {
			return changes
		}
		w.await(out.Recheck)
	}
}

// await waits for a wake, or for recheck to pass.
func (w *world) await(recheck time.Duration) {
	w.t.Helper()
	if recheck == 0 {
		recheck = 20 * time.Second
		defer func(began time.Time) {
			if time.Since(began) >= recheck {
				w.t.Fatal("nobody was woken")
			}
		}(time.Now())
	}
	select {
	case <-w.woken:
	case <-time.After(recheck):
	}
}

// quiet fails the test if somebody is woken within a while.
func (w *world) quiet() {
	w.t.Helper()
	select {
	case <-w.woken:
		w.t.Error("the owner was woken")
	case <-time.After(700 * time.Millisecond):
	}
}

// counted runs f and returns what it asked of the API server, without watches and
// discovery.
func (w *world) counted(f func()) map[string]int {
	w.t.Helper()
	mark, err := plane.MarkAudit()
	if err != nil {
		w.t.Fatal(err)
	}
	f()
	counts, err := plane.AuditCountsSince(mark, controlplane.FluxdUser)
	if err != nil {
		w.t.Fatal(err)
	}
	asked := map[string]int{}
	for r, n := range counts {
		if r.Verb != "watch" && r.Resource != "" {
			asked[r.String()] = n
		}
	}
	return asked
}

func equal(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, creationTimestamp: null}
    spec:
      hostNetwork: false
      containers:
      - name: web
        image: example.com/web:1
        ports: [{containerPort: 80}]
        resources: {requests: {cpu: 1000m, memory: 1024Mi}}
`

const four = web + `
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NS}
data: {key: "1"}
---
apiVersion: v1
kind: Secret
metadata: {name: secret, namespace: NS}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec: {selector: {app: web}, ports: [{port: 80}]}
`
