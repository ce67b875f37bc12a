package kustomization

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
)

// Preview implements [reconcilers.Previewer]. It takes the steps of a run as far as
// the plan, and has the plan foretold instead of applied.
func (r *reconciler) Preview(ctx context.Context, obj *v1.Kustomization, q reconcilers.Question) (forecast.Owner, error) {
	p := &pass{reconciler: r, obj: obj, started: time.Now(), list: obj.Status.Conditions}
	f := &foresight{pass: p, question: q, out: forecast.Owner{
		Kind: api.KustomizationKind, Namespace: obj.Namespace, Name: obj.Name,
		Current: obj.Status.LastAppliedRevision, Remote: obj.Spec.KubeConfig != nil,
	}}
	if k := obj.Spec.KubeConfig; k != nil && k.SecretRef != nil {
		f.out.RemoteSecret = k.SecretRef.Name
	}
	if obj.Spec.Suspend {
		f.note("spec.suspend is true: nothing of this happens before it is resumed")
	}
	look := f.ahead
	if q.Deleted {
		look = f.end
	}
	err := look(ctx)
	return f.out, err
}

// foresight is one preview under way.
type foresight struct {
	*pass
	question reconcilers.Question
	out      forecast.Owner
}

func (f *foresight) note(text string) { f.out.Notes = append(f.out.Notes, text) }

// ahead looks at the next revision.
func (f *foresight) ahead(ctx context.Context) error {
	source, err := f.sound()
	if err != nil {
		return err
	}
	next, now, err := f.question.Source(ctx, source, f.obj.Status.LastAppliedRevision)
	if err != nil {
		return err
	}
	f.out.Revision = next.Artifact.Revision
	if next.Note != "" {
		f.note(next.Note)
	}
	if err := f.connect(ctx); err != nil {
		return err
	}
	current := f.current(ctx, now)
	f.revision = next.Artifact.Revision
	plan, err := f.planOf(ctx, next)
	if err != nil {
		return err
	}
	f.out.Notes = append(f.out.Notes, plan.Warnings...)
	f.out.Objects, err = f.applier.Forecast(ctx, apply.Foresight{Plan: plan, Current: current, Expected: f.question.Expected})
	if err != nil {
		return err
	}
	return f.stale(ctx, plan)
}

// sound makes the checks of a run that need nothing but the object, and returns its
// source.
func (f *foresight) sound() (reconcilers.Ref, error) {
	if err := f.decryptable(); err != nil {
		return reconcilers.Ref{}, err
	}
	if _, err := f.budget(); err != nil {
		return reconcilers.Ref{}, err
	}
	if err := f.expressions(); err != nil {
		return reconcilers.Ref{}, err
	}
	if err := consumer.CheckReady(f.judges.Compiler, f.obj.Spec.DependsOn); err != nil {
		return reconcilers.Ref{}, err
	}
	if _, err := f.needed(); err != nil {
		return reconcilers.Ref{}, err
	}
	return f.usable()
}

// planOf plans what a content is built to.
func (f *foresight) planOf(ctx context.Context, c reconcilers.Content) (*apply.Plan, error) {
	built, err := f.render(ctx, c.Tree, c.Artifact.Revision)
	if err != nil {
		return nil, err
	}
	return f.plan(ctx, built)
}

// current plans what is applied now, nil if that cannot be had: then there is a
// forecast nonetheless, that does not tell drift from change.
func (f *foresight) current(ctx context.Context, now *reconcilers.Content) *apply.Plan {
	was := *f
	was.pass = new(*f.pass)
	if before, ok := f.question.Before.(*v1.Kustomization); ok {
		was.obj = before
	}
	switch {
	case f.out.Current == "":
		return nil
	case sourceRef(was.obj) != sourceRef(f.obj):
		f.note("drift is not told from change, since the source is another one")
		return nil
	case now == nil:
		f.note(fmt.Sprintf("drift is not told from change, since the revision %s cannot be had any more", f.out.Current))
		return nil
	}
	was.revision = now.Artifact.Revision
	plan, err := was.planOf(f.question.Present(ctx), *now)
	if err != nil {
		f.note(fmt.Sprintf("drift is not told from change, since the revision %s that is applied now does not build any more: %s", f.out.Current, err))
		return nil
	}
	return plan
}

// stale looks at what is not desired any more, as prune does.
func (f *foresight) stale(ctx context.Context, plan *apply.Plan) error {
	switch {
	case len(plan.Stale) == 0:
		return nil
	case !f.obj.Spec.Prune:
		f.keep(plan.Stale, "spec.prune is false: it stays and is forgotten")
		return nil
	}
	v, err := f.sentence(ctx, plan)
	if err != nil {
		return err
	}
	if v.why != nil {
		f.note(v.reason + ": " + v.why.Error())
	}
	f.keep(v.held, v.reason)
	return f.prunes(ctx, v.doomed)
}

func (f *foresight) prunes(ctx context.Context, doomed apply.Inventory) error {
	if len(doomed) == 0 {
		return nil
	}
	objects, err := f.applier.ForecastPrune(ctx, f.owner(), doomed)
	f.out.Objects = append(f.out.Objects, objects...)
	return err
}

// keep tells of objects that are not deleted, and why.
func (f *foresight) keep(entries apply.Inventory, why string) {
	for _, e := range entries {
		f.out.Objects = append(f.out.Objects, forecast.Object{
			Group: e.Group, Version: e.Version, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name,
			Action: forecast.Skipped, Message: why,
		})
	}
}

// end looks at what goes with the object, as finalize does.
func (f *foresight) end(ctx context.Context) error {
	f.out.Revision = ""
	inventory, err := f.inventory()
	if err != nil {
		return fmt.Errorf("read the inventory: %w", err)
	}
	if why := f.spares(); why != "" {
		f.keep(inventory, "it stays: "+why)
		return nil
	}
	missing, err := f.tenancy.missing(ctx, f.owner(), identity(f.obj))
	if err != nil {
		return err
	}
	if missing {
		f.keep(inventory, "it stays: the service account that may delete it is gone")
		return nil
	}
	if err := f.reconnect(ctx); err != nil {
		return err
	}
	inventory, own := f.leaveSelf(inventory)
	f.keep(own, "it is part of fluxd or keeps its objects, and is left behind")
	return f.prunes(ctx, inventory)
}

// spares says why the end of the object deletes nothing; empty if it does.
func (f *foresight) spares() string {
	switch {
	case f.obj.Spec.Suspend:
		return "spec.suspend is true"
	case !slices.Contains(f.obj.Finalizers, api.Finalizer):
		return "the finalizer of fluxd is gone"
	case deletes(f.obj):
		return ""
	}
	return fmt.Sprintf("spec.deletionPolicy is %s and spec.prune is %t", f.obj.GetDeletionPolicy(), f.obj.Spec.Prune)
}
