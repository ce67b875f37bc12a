package apply

import (
	"cmp"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// carryOut writes what t found out. The stage has passed.
func (r *run) carryOut(ctx context.Context, t *trial) {
	switch {
	case t.replace:
		r.remove(ctx, t)
	case t.pending() && (t.action == Created || t.action == Configured) && !t.sent:
		if err := cmp.Or(r.clean(ctx, t), r.yield(ctx, t)); err != nil {
			t.err = applyError(t.entry, err)
			return
		}
		r.send(ctx, t, func(_ context.Context, t *trial, err error) { t.err = applyError(t.entry, err) })
	}
}

// send writes the object of t and remembers how that left it. failed is told if
// the API server refuses.
func (r *run) send(ctx context.Context, t *trial, failed func(context.Context, *trial, error)) {
	r.store.begin(t.src, t.key)
	obj, err := r.applyObject(ctx, t, false)
	rec := r.store.finish(t.src, t.key, r.by(r.plan.Owner), t.want, obj)
	if err != nil {
		failed(ctx, t, err)
		return
	}
	t.sent = true
	if t.action == "" { // sent without a dry-run
		t.action = Configured
		if rec.version == t.rec.version {
			t.action = Unchanged
		}
	}
}

// clean takes over what others left on the object, from its live form: a dry-run
// has our own last fields no more, which the next apply has to compare with.
func (r *run) clean(ctx context.Context, t *trial) error {
	if !t.cleanup {
		return nil
	}
	const tries = 3 // somebody else may write in between
	var err error
	for range tries {
		var live *unstructured.Unstructured
		live, err = r.get(ctx, t.served, t.key)
		if err != nil || live == nil {
			return err
		}
		var patch []byte
		patch, err = r.reducer.takeover.patch(live, t.fields, t.obj.GetAPIVersion())
		if err != nil || patch == nil {
			return err
		}
		r.store.begin(t.src, t.key)
		_, err = r.resource(t.served, t.key).Patch(ctx, t.key.name, types.JSONPatchType, patch,
			metav1.PatchOptions{FieldManager: r.cfg.Manager})
		r.store.finish(t.src, t.key, r.by(r.plan.Owner), 0, nil)
		if !apierrors.IsConflict(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("take over managed fields: %w", err)
	}
	return nil
}
