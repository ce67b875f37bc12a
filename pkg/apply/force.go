package apply

import (
	"context"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// dryRunFailed classifies a refusal: of a change that only a new object can have,
// where the owner or a mark allows to replace it, or for good.
func (r *run) dryRunFailed(ctx context.Context, t *trial, refusal error) {
	if immutable(refusal) {
		r.read(ctx, t.step)
	}
	allowed := r.plan.force || (t.marks|t.rec.flags)&markForce != 0
	if allowed && immutable(refusal) {
		if t.known && t.here && (t.rec.flags&deleting != 0 || r.creatable(ctx, t)) {
			t.replace = true
			return
		}
	}
	t.err = dryRunError(t.entry, t.served.namespaced, refusal)
}

// immutable says whether an error may mean that an existing object cannot be changed
// in this way. Plain validation errors look the same; [run.creatable] tells them
// apart.
func immutable(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsInvalid(err) ||
		strings.Contains(err.Error(), "is immutable") || strings.Contains(err.Error(), "immutable field")
}

// creatable says whether the API server would accept the desired object as a new
// one. It asks for the creation of a twin under a name that does not exist, dry, so
// that a healthy object is never deleted for one that is refused.
func (r *run) creatable(ctx context.Context, t *trial) bool {
	twin := t.obj.DeepCopy()
	twin.SetName("")
	twin.SetGenerateName(t.obj.GetName() + "-")
	twin.SetNamespace(t.key.namespace)
	_, err := r.resource(t.served, t.key).Create(ctx, twin, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldManager: r.cfg.Manager,
	})
	return err == nil || onlyTwin(err)
}

// onlyTwin says whether an error is only about what makes the object a twin: its
// name, which some kinds derive from their spec, and addresses and ports of a
// Service that the object to be replaced still holds.
func onlyTwin(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return false
	}
	causes := status.Status().Details.Causes
	for _, c := range causes {
		name := strings.HasPrefix(c.Field, "metadata.name") || strings.HasPrefix(c.Field, "metadata.generateName")
		held := strings.HasPrefix(c.Field, "spec.") && strings.Contains(c.Message, "already allocated")
		if !name && !held {
			return false
		}
	}
	return len(causes) > 0
}

// remove deletes the object that t replaces. The next pass creates it.
func (r *run) remove(ctx context.Context, t *trial) {
	t.action = replacing
	if t.rec.flags&deleting != 0 {
		return
	}
	r.store.disown(t.src, t.key, r.plan.Owner)
	err := r.delete(ctx, t.served, t.key, t.rec.uid)
	if err != nil && !apierrors.IsNotFound(err) {
		t.err = applyError(t.entry, err)
	}
}

// delete deletes the object with the given UID. Its dependents go in the background.
func (a *Applier) delete(ctx context.Context, v served, k key, id uid) error {
	if id == (uid{}) {
		return a.deleteAs(ctx, v, k, "", "")
	}
	return a.deleteAs(ctx, v, k, id.text(), "")
}

// deleteAs deletes the object with the given UID, or whichever has the name if it is
// empty. Without a propagation, its dependents go in the background.
func (a *Applier) deleteAs(ctx context.Context, v served, k key, id types.UID, p metav1.DeletionPropagation) error {
	if p == "" {
		p = metav1.DeletePropagationBackground
	}
	o := metav1.DeleteOptions{PropagationPolicy: &p}
	if id != "" {
		o.Preconditions = &metav1.Preconditions{UID: &id}
	}
	return a.resource(v, k).Delete(ctx, k.name, o)
}
