package clusters

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/kube"
)

// plane is an API server on loopback that serves ConfigMaps, as far as an applier
// can tell: what is applied is there.
type plane struct {
	*httptest.Server

	mu      sync.Mutex // guards the fields below
	objects map[string]map[string]any
	version int
	// log has the writes, as "user method name", where the user is the token and whom
	// it acts for.
	log    []string
	asked  int
	silent bool
}

const discovery = `{"kind":"APIGroupDiscoveryList","items":[{"metadata":{"name":""},"versions":[{"version":"v1","resources":[
{"resource":"configmaps","responseKind":{"group":"","version":"v1","kind":"ConfigMap"},"scope":"Namespaced","singularResource":"configmap"}]}]}]}`

func newPlane(t *testing.T) *plane {
	p := &plane{objects: map[string]map[string]any{}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Server.Close)
	return p
}

// ServeHTTP implements [http.Handler].
func (p *plane) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.silent {
		panic(http.ErrAbortHandler)
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("X-Kubernetes-Pf-Flowschema-Uid", "x")
	switch {
	case req.URL.Path == "/api":
		_, _ = io.WriteString(rw, discovery) // the caller notices
	case req.URL.Path == "/apis":
		_, _ = io.WriteString(rw, `{"items":[]}`) // the same
	case req.URL.Query().Has("watch"):
		rw.WriteHeader(http.StatusMethodNotAllowed)
		_ = json.NewEncoder(rw).Encode(apierrors.NewMethodNotSupported(schema.GroupResource{Resource: "configmaps"}, "watch").Status()) // the same
	default:
		p.object(rw, req)
	}
}

func (p *plane) object(rw http.ResponseWriter, req *http.Request) {
	obj, dry := p.objects[req.URL.Path], req.URL.Query().Has("dryRun")
	if req.Method != http.MethodGet && !dry {
		p.log = append(p.log, req.Header.Get("Authorization")+req.Header.Get("Impersonate-User")+" "+req.Method)
	}
	switch req.Method {
	case http.MethodPatch:
		var want map[string]any
		if json.NewDecoder(req.Body).Decode(&want) != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		if obj != nil {
			want["metadata"].(map[string]any)["resourceVersion"] = obj["metadata"].(map[string]any)["resourceVersion"]
		}
		if obj = want; !dry {
			p.version++
			want["metadata"].(map[string]any)["resourceVersion"] = fmt.Sprint(p.version)
			p.objects[req.URL.Path] = want
		}
	case http.MethodDelete:
		delete(p.objects, req.URL.Path)
	}
	if obj == nil {
		status := apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, "x").Status()
		rw.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(rw).Encode(status) // the caller notices
		return
	}
	_ = json.NewEncoder(rw).Encode(obj) // the caller notices
}

// writes returns the writes since the last call.
func (p *plane) writes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	log := p.log
	p.log = nil
	return log
}

func (p *plane) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.asked
	p.asked = 0
	return n
}

func (p *plane) fall(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
}

// kubeconfig returns one that leads to p as the holder of a token.
func (p *plane) kubeconfig(token string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: it, contexts: [{name: it, context: {cluster: it, user: it}}],
clusters: [{name: it, cluster: {server: %q}}], users: [{name: it, user: {token: %q}}]}`, p.URL, token)
}

// vault is a [Reader] of what a test put there.
type vault struct {
	mu         sync.Mutex // guards the fields below
	secrets    map[string]map[string][]byte
	configMaps map[string]map[string]string
	accounts   map[string]bool
	tokens     int
	broken     error
}

func (v *vault) Secret(_ context.Context, namespace, name string) (map[string][]byte, string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	data, ok := v.secrets[namespace+"/"+name]
	if !ok {
		return nil, "", apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	return data, "Opaque", nil
}

func (v *vault) ConfigMap(_ context.Context, namespace, name string) (map[string]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	data, ok := v.configMaps[namespace+"/"+name]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name)
	}
	return data, nil
}

func (v *vault) ServiceAccount(_ context.Context, namespace, name string) (map[string]string, bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return nil, v.accounts[namespace+"/"+name], v.broken
}

func (v *vault) ServiceAccountToken(_ context.Context, namespace, name string, audiences []string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tokens++
	return fmt.Sprint("token of ", namespace, "/", name, " for ", audiences), v.broken
}

// world is this cluster and what leads to others.
type world struct {
	*Clusters
	t     *testing.T
	local *plane
	vault *vault
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, local: newPlane(t), vault: &vault{
		secrets: map[string]map[string][]byte{}, configMaps: map[string]map[string]string{}, accounts: map[string]bool{},
	}}
	clients, err := kube.NewClients(&rest.Config{Host: w.local.URL, BearerToken: "fluxd", QPS: -1}, runtime.NewScheme())
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Local: clients, Reader: w.vault, Apply: apply.Config{
		Manager: "kustomize-controller", MarkPrefix: "k", Labels: apply.Labels{Name: "k/name", Namespace: "k/namespace"},
		Wake: func(apply.Owner, time.Duration) {},
	}}
	for _, c := range change {
		c(&cfg)
	}
	w.Clusters = New(cfg)
	t.Cleanup(w.Close)
	return w
}

// secret makes a kubeconfig the value of a Secret.
func (w *world) secret(name, kubeconfig string) {
	w.vault.mu.Lock()
	defer w.vault.mu.Unlock()
	w.vault.secrets["apps/"+name] = map[string][]byte{"value": []byte(kubeconfig)}
}

func at(secret string) *api.KubeConfigReference {
	return &api.KubeConfigReference{SecretRef: &api.SecretKeyReference{Name: secret}}
}

func owner(name string) apply.Owner { return apply.Owner{Namespace: "apps", Name: name} }

// apply applies one ConfigMap for an owner and returns the error.
func (w *world) apply(o apply.Owner, id Identity) error {
	w.t.Helper()
	a, err := w.For(w.t.Context(), o, id)
	if err != nil {
		return err
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": o.Name, "namespace": "apps"}, "data": map[string]any{"k": "v"},
	}}
	plan, err := a.Plan(w.t.Context(), apply.Request{Owner: o, Objects: []*unstructured.Unstructured{obj}})
	if err == nil {
		_, err = a.Apply(w.t.Context(), plan)
	}
	return err
}

// must applies, which has to end well.
func (w *world) must(o apply.Owner, id Identity) {
	w.t.Helper()
	if err := w.apply(o, id); err != nil {
		w.t.Fatal(err)
	}
}
