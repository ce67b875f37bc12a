package engine

import (
	"context"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// patrol is the time between two looks at all objects.
	patrol = time.Minute
	// overdue is how late an object may be before it counts as lost.
	overdue = time.Minute
)

// watchdog revives objects that nothing would wake. There should be none: each
// is a mistake in this package, and is counted.
func (e *Engine) watchdog(ctx context.Context) {
	ticker := time.NewTicker(patrol)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, p := range e.registry.Plugins() {
				e.Cache.Each(p.Kind().GroupKind(), e.revive)
			}
		}
	}
}

func (e *Engine) revive(obj metav1.Object) {
	o, ok := obj.(api.Object)
	if !ok || o.IsSuspended() {
		return
	}
	key := e.keyOf(o)
	if !e.lost(key) || !e.table.confirmed(key) {
		return
	}
	e.Log.Info("revived an object that nothing would have woken", "object", key.String())
	if e.Observer != nil {
		e.Observer.LostWakeup(key)
	}
	e.Wake(key)
}

func (e *Engine) keyOf(obj api.Object) Key {
	return Key{
		GroupKind: obj.GetObjectKind().GroupVersionKind().GroupKind(),
		Namespace: obj.GetNamespace(), Name: obj.GetName(),
	}
}

// lost says whether key is neither queued, running nor due, or long overdue. The
// answer may be wrong for an object that moves from one to the next just now.
func (e *Engine) lost(key Key) bool {
	at, scheduled := e.schedule.at(key)
	busy := false
	e.table.with(key, func(s *state) { busy = s.queued || s.running || s.parked })
	if busy {
		return false
	}
	return !scheduled || time.Since(at) > overdue
}
