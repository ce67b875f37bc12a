package apply

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Ready returns the health of objects that owner depends on, whoever applies them, by
// the rules of their owners or else the general ones, and sees to it that Wake is
// called when that of one which is not Current changes: when it appears, too, and
// when its kind does. What is watched for that is let go when entries no longer have it.
func (a *Applier) Ready(ctx context.Context, owner Owner, entries Inventory) (Report, error) {
	checks, err := a.checks(ctx, owner, entries, nil)
	if err != nil {
		return Report{}, err
	}
	var targets []target
	var served, unserved []*check
	for _, c := range checks {
		switch {
		case meta.IsNoMatchError(c.err):
			unserved = append(unserved, c)
			continue
		case c.err != nil:
			continue
		case c.single:
			targets = append(targets, a.alone(c, nil))
		default:
			targets = append(targets, c.src.target)
		}
		served = append(served, c)
	}
	if len(unserved) > 0 {
		targets = append(targets, a.definitions())
	}
	sources := a.store.attach(owner, forDependencies, targets, false)
	for i, c := range served {
		c.src = sources[i]
	}
	a.store.await(ctx, sources)
	for _, c := range unserved {
		c.recheck = a.store.awaitKind(owner, sources[len(sources)-1])
	}
	return a.report(ctx, owner, checks)
}

// definitions is what is watched for kinds that are not served yet.
func (a *Applier) definitions() target {
	return target{client: a.cfg.Dynamic, gvr: schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	}}
}

// justNow is how long after news of a definition its kind may yet be about to be
// served.
const justNow = 30 * time.Second

// awaitKind has o woken when a definition comes or is established, and returns after
// how long to look again although there is no such news.
func (s *store) awaitKind(o Owner, definitions *source) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	definitions.arm(o, anything)
	switch {
	case definitions.state != live:
		return recheckBlind
	case time.Since(definitions.news) < justNow:
		return recheckServed
	}
	return 0
}
