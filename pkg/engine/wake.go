package engine

import (
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Wake runs an object soon, once, however often it is called before. It is how
// those who watch the world on behalf of an object say that it moved.
func (e *Engine) Wake(key Key) {
	if !e.queue.has(key) {
		return
	}
	// In one step, or else a worker may be done before the state says queued.
	e.table.with(key, func(s *state) {
		if !s.queued && !s.running {
			s.since = time.Now()
		}
		s.queued = true
		e.queue.add(key)
	})
}

// Busy says whether some object waits for a worker.
func (e *Engine) Busy() bool { return e.queue.waiting() }

// WakeDependents wakes whoever reads ref.
func (e *Engine) WakeDependents(ref Key) {
	for _, key := range e.table.dependents(ref) {
		e.Wake(key)
	}
}

// changed is told of every change of the cached objects of one kind.
func (e *Engine) changed(kind schema.GroupKind, old, obj metav1.Object) {
	present := obj
	if present == nil {
		present = old
	}
	key := Key{GroupKind: kind, Namespace: present.GetNamespace(), Name: present.GetName()}
	plugin, ours := e.registry.Plugin(kind)
	switch {
	case !ours:
	case obj == nil:
		e.remember(key, old)
		e.Wake(key)
	default:
		if old != nil && old.GetUID() != obj.GetUID() {
			e.remember(key, old) // its deletion was missed
		}
		if old != nil && older(obj, old) {
			// The cluster was restored to an earlier state. What we wrote since is lost.
			e.table.with(key, func(s *state) { s.latest = nil })
			e.Wake(key)
		}
		if o, ok := obj.(api.Object); ok {
			e.know(key, plugin, o)
		}
		if asksForRun(old, obj) {
			e.Wake(key)
		}
	}
	if aspectOf(old) != aspectOf(obj) {
		e.WakeDependents(key)
	}
	key.Whole = true
	e.WakeDependents(key)
}

// know records what key reads and has the kinds of it watched. A reconciler that
// panics leaves it at what was known.
func (e *Engine) know(key Key, plugin reconcilers.Plugin, obj api.Object) {
	defer func() {
		if p := recover(); p != nil {
			e.Log.Error(fmt.Errorf("panic: %v", p), "the references of an object are unknown",
				"object", key.String(), "stack", string(debug.Stack()))
		}
	}()
	refs := plugin.References(obj)
	e.table.setReferences(key, refs)
	if e.watch == nil {
		return
	}
	for _, ref := range refs {
		e.watch(ref.GroupKind)
	}
}

// remember keeps the last version of a deleted object for its finalization.
func (e *Engine) remember(key Key, last metav1.Object) {
	if o, ok := last.(api.Object); ok {
		e.table.with(key, func(s *state) { s.buried = o })
	}
}

// asksForRun says whether a change of an object is a reason to run it: it is
// new, its spec changed, it is to be deleted, it decodes although it did not or
// the other way round, or somebody asked or said something by annotation. A status write is none.
func asksForRun(old, obj metav1.Object) bool {
	if old == nil {
		return true
	}
	_, was := old.(*kube.Undecodable)
	_, is := obj.(*kube.Undecodable)
	return was != is || old.GetUID() != obj.GetUID() || instructed(old, obj) ||
		old.GetGeneration() != obj.GetGeneration() ||
		(old.GetDeletionTimestamp() == nil) != (obj.GetDeletionTimestamp() == nil) ||
		old.GetAnnotations()[api.AnnotationReconcileRequest] != obj.GetAnnotations()[api.AnnotationReconcileRequest]
}

// instructed says whether an annotation of fluxd's own has changed.
func instructed(old, obj metav1.Object) bool {
	before, after := old.GetAnnotations(), obj.GetAnnotations()
	own := func(one, other map[string]string) bool {
		for name, value := range one {
			if was, had := other[name]; strings.HasPrefix(name, api.AnnotationPrefix) && (!had || was != value) {
				return true
			}
		}
		return false
	}
	return own(after, before) || own(before, after)
}

// aspect is what dependents may notice of an object. When it changes they run.
type aspect struct {
	uid              string
	generation       int64
	observed         int64
	ready            bool
	revision, digest string
	applied          string
}

// applier is what an object that applies revisions shows its dependents.
type applier interface{ GetLastAppliedRevision() string }

func aspectOf(obj metav1.Object) aspect {
	if obj == nil {
		return aspect{}
	}
	a := aspect{uid: string(obj.GetUID()), generation: obj.GetGeneration()}
	if o, ok := obj.(api.Object); ok {
		a.observed = o.GetObservedGeneration()
		a.ready = conditions.IsTrue(o.GetConditions(), api.ConditionReady)
	}
	if s, ok := obj.(api.Source); ok {
		if artifact := s.GetArtifact(); artifact != nil {
			a.revision, a.digest = artifact.Revision, artifact.Digest
		}
	}
	if p, ok := obj.(applier); ok {
		a.applied = p.GetLastAppliedRevision()
	}
	return a
}

// WakeAfter runs an object once the given time has passed, or earlier if it is
// due earlier. An object that is running, or is woken before, is run no later
// for it.
func (e *Engine) WakeAfter(key Key, after time.Duration) {
	if after <= 0 {
		e.Wake(key)
		return
	}
	if _, ours := e.registry.Plugin(key.GroupKind); !ours {
		return
	}
	e.schedule.hasten(key, time.Now().Add(after))
}
