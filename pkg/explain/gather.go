package explain

import (
	"context"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// Bounds of one explanation.
const (
	mostNodes = 100 // objects that facts are gathered about
	mostHops  = 20  // from the object to the root
	mostLinks = 40  // references of one object
	mostReads = 60  // applied objects whose health is looked at, of all owners together
	mostSick  = 10  // of those that are not healthy, how many are told
)

// Config is what an [Explainer] is made of.
type Config struct {
	World World
	// May returns nil if the caller may read an object, and an error of
	// [door.ErrDenied] if not. A nil May leaves it to the world, which is refused by the
	// API server.
	May func(ctx context.Context, a kube.Action) error
	// ConfigLabel selects the Secrets and ConfigMaps whose changes wake what refers to
	// them; empty is all. NoConfigs says that none do.
	ConfigLabel string
	NoConfigs   bool
}

// Explainer explains objects to one caller.
type Explainer struct{ Config }

// New returns an explainer.
func New(c Config) *Explainer { return &Explainer{c} }

// gathering is the collection of facts for one explanation.
type gathering struct {
	*Explainer
	nodes map[reconcilers.Ref]*Node
	queue []*Node
	reads int // of applied objects
}

// gather returns what is known of an object and of all that may be the reason for how it
// is.
func (e *Explainer) gather(ctx context.Context, ref reconcilers.Ref) (*Node, error) {
	g := gathering{Explainer: e, nodes: make(map[reconcilers.Ref]*Node)}
	first := g.node(ref)
	for len(g.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := g.queue[0]
		g.queue = g.queue[1:]
		g.look(ctx, n)
	}
	return first, nil
}

// node returns the node of an object, which is looked at later; nil if there are too many.
func (g *gathering) node(ref reconcilers.Ref) *Node {
	ref.Whole = false
	if n, ok := g.nodes[ref]; ok {
		return n
	}
	if len(g.nodes) >= mostNodes {
		return nil
	}
	n := &Node{Ref: ref}
	g.nodes[ref] = n
	g.queue = append(g.queue, n)
	return n
}

// look gathers what is known of one object.
func (g *gathering) look(ctx context.Context, n *Node) {
	g.read(ctx, n)
	if n.Object == nil && n.Withheld {
		return
	}
	if !ours(n.Ref.GroupKind) {
		if n.Object != nil && !isConfig(n.Ref.GroupKind) {
			n.Health = healthOf(n.Object)
		}
		return
	}
	if s, ok := g.World.State(n.Ref); ok && n.Object != nil {
		n.State = &s
	}
	if n.Object == nil {
		return
	}
	if _, digest := artifactOf(n.Object); digest != "" {
		n.Bytes = g.World.Artifact(n.Ref, digest)
	}
	n.Links = linksOf(n.Object)
	n.Links = n.Links[:min(len(n.Links), mostLinks)]
	for i := range n.Links {
		n.Links[i].To = g.node(n.Links[i].Ref)
	}
	if waitsForHealth(n.Object) {
		g.examine(ctx, n)
	}
}

func isConfig(kind schema.GroupKind) bool { return kind == secretKind || kind == configMapKind }

// read reads an object that the caller may see.
func (g *gathering) read(ctx context.Context, n *Node) {
	resource, namespaced, err := g.World.Resource(n.Ref.GroupKind)
	if err != nil {
		n.Problem = err.Error()
		return
	}
	if !namespaced {
		n.Ref.Namespace = "" // where none was written, that of the reader was assumed
	}
	ref := n.Ref
	if g.May != nil {
		err := g.May(ctx, kube.Action{Verb: "get", Group: resource.Group, Resource: resource.Resource, Namespace: ref.Namespace, Name: ref.Name})
		switch {
		case errors.Is(err, door.ErrDenied):
			n.Withheld = true
			return
		case err != nil:
			n.Problem, n.Withheld = "the API server cannot be asked who may see it", true
			return
		}
	}
	n.Object, n.Foreign, err = g.World.Object(ctx, ref)
	switch {
	case errors.Is(err, door.ErrDenied):
		n.Withheld = true
	case err != nil:
		n.Problem = oneLine(err.Error())
	}
}

// waitsForHealth says whether an object is not ready because of what it applied.
func waitsForHealth(obj *unstructured.Unstructured) bool {
	ready := readyOf(obj)
	if ready == nil || isReady(obj) {
		return false
	}
	switch ready.Reason {
	case api.ReasonHealthCheckFailed, api.ReasonProgressing, api.ReasonInstallFailed, api.ReasonUpgradeFailed, api.ReasonRollbackFailed:
		return true
	}
	return false
}

// examine looks at the health of what an object has applied, first at what its message
// names.
func (g *gathering) examine(ctx context.Context, n *Node) {
	if remote, _, _ := unstructured.NestedMap(n.Object.Object, "spec", "kubeConfig"); remote != nil {
		return // another cluster, where the caller is somebody else
	}
	entries := inventoryOf(n.Object)
	message := readyOf(n.Object).Message
	slices.SortStableFunc(entries, func(a, b apply.Entry) int {
		return rank(message, a) - rank(message, b)
	})
	for _, e := range entries {
		ref := reconcilers.NewRef(e.GroupKind(), e.Namespace, e.Name)
		if ref == n.Ref {
			continue
		}
		if len(n.Unhealthy) == mostSick || g.reads == mostReads || ctx.Err() != nil {
			n.Unseen++
			continue
		}
		g.reads++
		one := &Node{Ref: ref}
		if g.read(ctx, one); one.Object != nil {
			one.Health = healthOf(one.Object)
		}
		if one.Object != nil && one.Health.healthy() {
			continue
		}
		if ours(ref.GroupKind) {
			one = g.node(ref)
		}
		n.Unhealthy = append(n.Unhealthy, Link{Role: RoleApplied, Ref: ref, To: one})
	}
}

// rank puts first what a message names, and last what is never unhealthy.
func rank(message string, e apply.Entry) int {
	switch {
	case strings.Contains(message, e.String()):
		return 0
	case e.Kind == "Secret" || e.Kind == "ConfigMap" || strings.HasPrefix(e.Group, "rbac."):
		return 2
	}
	return 1
}

// inventoryOf returns what an object has applied. What does not parse is left out, as it
// is when it is pruned.
func inventoryOf(obj *unstructured.Unstructured) apply.Inventory {
	var refs []api.ResourceRef
	for _, one := range list(obj.Object, "status", "inventory", "entries") {
		fields, _ := one.(map[string]any)
		id, _ := fields["id"].(string)
		version, _ := fields["v"].(string)
		refs = append(refs, api.ResourceRef{ID: id, Version: version})
	}
	entries, _ := apply.ReadInventory(refs)
	return entries
}
