package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Limits of discovery.
const (
	// missInterval is the least time between two discoveries that were caused
	// by a kind which is not served.
	missInterval = 2 * time.Second
	// discoveryTimeout bounds one discovery.
	discoveryTimeout = 30 * time.Second
	// aggregated asks for all groups in two answers (KEP-3352).
	aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
)

// Mapper maps kinds to resources. It asks the API server on the first use and
// again when it is asked for a kind that it does not know, so that a kind
// which appears is found and one that does not exist costs little. It
// implements [meta.RESTMapper].
type Mapper struct {
	client rest.Interface
	now    func() time.Time

	mu     sync.Mutex // guards the fields below and serialises discovery
	known  *meta.DefaultRESTMapper
	loaded time.Time

	served served
}

func newMapper(client rest.Interface, now func() time.Time) *Mapper {
	return &Mapper{client: client, now: now}
}

// Reset forgets what is known: the next question asks the API server.
func (m *Mapper) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = nil
}

// load asks the API server, whatever is known.
func (m *Mapper) load(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.discover(ctx)
}

// ask answers a question from what is known, or else from fresh discovery.
func ask[T any](m *Mapper, question func(*meta.DefaultRESTMapper) (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := m.known == nil
	if fresh {
		if err := m.discover(context.Background()); err != nil {
			var none T
			return none, err
		}
	}
	answer, err := question(m.known)
	if err == nil || !meta.IsNoMatchError(err) || fresh || m.now().Sub(m.loaded) < missInterval {
		return answer, err
	}
	if err := m.discover(context.Background()); err != nil {
		return answer, err
	}
	return question(m.known)
}

// groupDiscovery is the part of an APIGroupDiscoveryList that is read.
type groupDiscovery struct {
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Versions []struct {
			Version   string              `json:"version"`
			Resources []resourceDiscovery `json:"resources"`
		} `json:"versions"`
	} `json:"items"`
}

type resourceDiscovery struct {
	Resource         string                  `json:"resource"`
	SingularResource string                  `json:"singularResource"`
	Scope            string                  `json:"scope"`
	ResponseKind     schema.GroupVersionKind `json:"responseKind"`
}

func (m *Mapper) discover(ctx context.Context) error {
	var preferred []schema.GroupVersion
	var add []func(*meta.DefaultRESTMapper)
	for _, path := range []string{"/api", "/apis"} {
		groups, err := m.fetch(ctx, path)
		if err != nil {
			return fmt.Errorf("discover what the API server serves: %w", err)
		}
		for _, group := range groups.Items {
			for _, version := range group.Versions {
				gv := schema.GroupVersion{Group: group.Metadata.Name, Version: version.Version}
				preferred = append(preferred, gv)
				for _, r := range version.Resources {
					add = append(add, func(known *meta.DefaultRESTMapper) { addResource(known, gv, r) })
				}
			}
		}
	}
	known := meta.NewDefaultRESTMapper(preferred)
	for _, f := range add {
		f(known)
	}
	m.known, m.loaded = known, m.now()
	return nil
}

func addResource(known *meta.DefaultRESTMapper, gv schema.GroupVersion, r resourceDiscovery) {
	scope := meta.RESTScopeNamespace
	if r.Scope == "Cluster" {
		scope = meta.RESTScopeRoot
	}
	singular := r.SingularResource
	if singular == "" {
		singular = r.Resource
	}
	known.AddSpecific(gv.WithKind(r.ResponseKind.Kind), gv.WithResource(r.Resource), gv.WithResource(singular), scope)
}

func (m *Mapper) fetch(ctx context.Context, path string) (groupDiscovery, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	var groups groupDiscovery
	body, err := m.client.Get().AbsPath(path).SetHeader("Accept", aggregated).Do(ctx).Raw()
	if err != nil {
		return groups, err
	}
	return groups, json.Unmarshal(body, &groups)
}

// KindFor implements [meta.RESTMapper].
func (m *Mapper) KindFor(r schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	return ask(m, func(k *meta.DefaultRESTMapper) (schema.GroupVersionKind, error) { return k.KindFor(r) })
}

// KindsFor implements [meta.RESTMapper].
func (m *Mapper) KindsFor(r schema.GroupVersionResource) ([]schema.GroupVersionKind, error) {
	return ask(m, func(k *meta.DefaultRESTMapper) ([]schema.GroupVersionKind, error) { return k.KindsFor(r) })
}

// ResourceFor implements [meta.RESTMapper].
func (m *Mapper) ResourceFor(r schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	return ask(m, func(k *meta.DefaultRESTMapper) (schema.GroupVersionResource, error) { return k.ResourceFor(r) })
}

// ResourcesFor implements [meta.RESTMapper].
func (m *Mapper) ResourcesFor(r schema.GroupVersionResource) ([]schema.GroupVersionResource, error) {
	return ask(m, func(k *meta.DefaultRESTMapper) ([]schema.GroupVersionResource, error) { return k.ResourcesFor(r) })
}

// RESTMapping implements [meta.RESTMapper].
func (m *Mapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	return ask(m, func(k *meta.DefaultRESTMapper) (*meta.RESTMapping, error) { return k.RESTMapping(gk, versions...) })
}

// RESTMappings implements [meta.RESTMapper].
func (m *Mapper) RESTMappings(gk schema.GroupKind, versions ...string) ([]*meta.RESTMapping, error) {
	return ask(m, func(k *meta.DefaultRESTMapper) ([]*meta.RESTMapping, error) { return k.RESTMappings(gk, versions...) })
}

// ResourceSingularizer implements [meta.RESTMapper].
func (m *Mapper) ResourceSingularizer(resource string) (string, error) {
	return ask(m, func(k *meta.DefaultRESTMapper) (string, error) { return k.ResourceSingularizer(resource) })
}
