package kustomization

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/render"
)

// Finalize implements [reconcilers.Reconciler].
func (r *reconciler) Finalize(ctx context.Context, obj *v1.Kustomization) error {
	p := &pass{reconciler: r, obj: obj, started: time.Now(), list: obj.Status.Conditions, revision: obj.Status.LastAppliedRevision}
	if err := p.finalize(ctx); err != nil {
		return err
	}
	r.tenancy.forget(p.owner())
	r.builds.Forget(render.Owner{Namespace: obj.Namespace, Name: obj.Name})
	r.resyncs.Forget(p.owner())
	r.judges.Forget(p.owner())
	return nil
}

// deletes says whether deleting the object deletes what it applied.
func deletes(obj *v1.Kustomization) bool {
	if obj.Spec.Suspend {
		return false
	}
	switch obj.GetDeletionPolicy() {
	case v1.DeletionPolicyMirrorPrune:
		return obj.Spec.Prune
	case v1.DeletionPolicyDelete, v1.DeletionPolicyWaitForTermination:
		return true
	}
	return false
}

// finalize deletes what the object applied. Without our finalizer it does not: then
// the object was released by hand, so as to leave its objects, or never applied any.
func (p *pass) finalize(ctx context.Context) error {
	if !deletes(p.obj) || !slices.Contains(p.obj.Finalizers, api.Finalizer) {
		return nil
	}
	inventory, err := p.inventory()
	if err != nil {
		return fmt.Errorf("read the inventory: %w", err)
	}
	if len(inventory) == 0 {
		return nil
	}
	if orphaned, err := p.accountGone(ctx, inventory); orphaned || err != nil {
		return err
	}
	if err := p.reconnect(ctx); err != nil {
		return err
	}
	inventory, own := p.leaveSelf(inventory)
	changes, _, err := p.applier.Prune(ctx, p.owner(), inventory)
	if err != nil {
		return fault.Backoff(api.ReasonPruneFailed, fmt.Errorf("pruning for deleted resource failed: %w", err))
	}
	if p.obj.GetDeletionPolicy() == v1.DeletionPolicyWaitForTermination {
		if err := p.terminated(ctx, deleted(changes)); err != nil {
			return err
		}
	}
	if len(own) > 0 {
		p.publish(events.Error, reasonPruneSelf, names(own)+" is part of fluxd or keeps its objects, and is left behind")
	}
	if lines := changes.Lines(apply.Deleted, apply.Skipped); lines != "" {
		p.publish(events.Info, api.ReasonReconciliationSucceeded, lines)
	}
	return nil
}

// deleted returns what was deleted, or was gone already.
func deleted(changes apply.Changes) apply.Inventory {
	var gone apply.Inventory
	for _, c := range changes {
		if c.Action == apply.Deleted {
			gone = append(gone, c.Entry)
		}
	}
	return gone
}

// terminated parks the object until what it applied is gone, for its timeout at
// most.
func (p *pass) terminated(ctx context.Context, inventory apply.Inventory) error {
	left, err := p.applier.Remaining(ctx, p.owner(), inventory)
	if err != nil {
		return fault.Backoff(api.ReasonPruneFailed, err)
	}
	wait := p.obj.GetTimeout()
	if deleted := p.obj.DeletionTimestamp; deleted != nil {
		wait -= time.Since(deleted.Time)
	}
	switch {
	case len(left) == 0:
		return nil
	case wait <= 0:
		p.publish(events.Error, api.ReasonPruneFailed, fmt.Sprintf("failed to wait for resources termination: %d are left", len(left)))
		return nil
	}
	return &fault.WaitingError{
		Reason: api.ReasonProgressing, Quiet: true, After: min(wait, terminationRecheck),
		Err: fmt.Errorf("waiting for %d objects to terminate", len(left)),
	}
}

// terminationRecheck is how often objects of kinds that cannot be watched are
// looked for.
const terminationRecheck = 2 * time.Second
