package apply

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func podResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}

// attachPods watches the Pods of sets that are in progress.
func (a *Applier) attachPods(ctx context.Context, owner Owner, checks []*check) {
	var sets []*check
	var targets []target
	for _, c := range checks {
		if selector := a.podSelector(ctx, owner, c); selector != "" {
			sets = append(sets, c)
			targets = append(targets, target{
				client: a.client, gvr: podResource(), namespace: c.key.namespace, labels: selector,
			})
		}
	}
	sources := a.store.attach(owner, forPods, targets, false)
	for i, c := range sets {
		c.pods = sources[i]
	}
	a.store.await(ctx, sources)
}

// podSelector returns the label selector of the Pods by which c may fail, or nothing.
// A StatefulSet or ReplicaSet never says itself that its Pods crash, so they are
// watched while it is in progress (section 2.13).
func (a *Applier) podSelector(ctx context.Context, owner Owner, c *check) string {
	if c.entry.Group != "apps" || c.entry.Kind != "StatefulSet" && c.entry.Kind != "ReplicaSet" || c.src == nil {
		return ""
	}
	if rec, ok := a.store.trusted(c.src, c.key, a.by(owner)); !ok || rec.health != inProgress {
		return ""
	}
	if s := a.store.selector(owner, c.entry); s != "" {
		return s
	}
	live, err := a.get(ctx, c.served, c.key)
	if err != nil || live == nil {
		return ""
	}
	s := selectorOf(live)
	a.store.setSelector(owner, c.entry, s)
	return s
}

// selectorOf returns spec.selector in the language of label selectors, or nothing.
func selectorOf(obj *unstructured.Unstructured) string {
	m, _ := field(obj, "spec", "selector").(map[string]any)
	var ls metav1.LabelSelector
	if m == nil || runtime.DefaultUnstructuredConverter.FromUnstructured(m, &ls) != nil {
		return ""
	}
	s, err := metav1.LabelSelectorAsSelector(&ls)
	if err != nil {
		return ""
	}
	return s.String()
}

func (s *store) selector(o Owner, e Entry) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tenant(o).selectors[e]
}

func (s *store) setSelector(o Owner, e Entry, selector string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenant(o)
	if t.selectors == nil {
		t.selectors = map[Entry]string{}
	}
	t.selectors[e] = selector
}

// podFailed says whether a Pod of src has failed for good: one that is deleted is
// being replaced, and one that cannot be scheduled may be later. It has o woken
// when a Pod fails.
func (s *store) podFailed(o Owner, src *source) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if src.listeners == nil {
		src.listeners = map[Owner]struct{}{}
	}
	src.listeners[o] = struct{}{}
	for _, sl := range src.slots {
		if sl.here && sl.health == failed && sl.flags&(deleting|timed) == 0 {
			return true
		}
	}
	return false
}
