package helmrelease

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/fault"
)

// Finalize implements [reconcilers.Reconciler]. It uninstalls the release and deletes the
// HelmChart, whatever state the source, values and dependencies are in. Without our
// finalizer it does not: then the object was released by hand, or never did anything.
func (r *reconciler) Finalize(ctx context.Context, obj *v2.HelmRelease) error {
	p := r.pass(obj)
	defer p.close()
	if !obj.Spec.Suspend && slices.Contains(obj.Finalizers, api.Finalizer) {
		err := p.hurry(ctx, p.finalize)
		obj.Status.Conditions = p.list
		if err != nil {
			return err
		}
	}
	r.tenancy.forget(p.owner())
	r.releases.Forget(p.owner())
	r.resyncs.Forget(p.owner())
	r.judges.Forget(p.owner())
	r.courses.end(p.owner())
	r.sent.note(p.owner(), nil)
	return nil
}

func (p *pass) finalize(ctx context.Context) error {
	if p.obj.Status.StorageNamespace != "" {
		if err := p.uninstallForGood(ctx); err != nil {
			return err
		}
	}
	forget(p.obj)
	namespace, name := p.obj.Status.GetHelmChart()
	if name == "" || p.mayUse(api.HelmChartKind, namespace, name) != nil {
		return nil
	}
	return p.discard(ctx, "", "")
}

// uninstallForGood uninstalls the release, unless what leads to it is gone.
func (p *pass) uninstallForGood(ctx context.Context) error {
	at, err := p.tenancy.connect(ctx, p.owner(), identity(p.obj))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, clusters.ErrConnecting):
		return fault.Cold(api.ReasonProgressing, err, connectRecheck)
	case apierrors.IsNotFound(err):
		return nil // nobody knows the way to the cluster any more
	case err != nil:
		return fault.Backoff(api.ReasonUninstallFailed, fmt.Errorf("failed to build REST client getter to uninstall release: %w", err))
	}
	p.at = at
	if p.obj.Spec.KubeConfig == nil {
		missing, err := p.tenancy.missing(ctx, p.owner(), identity(p.obj))
		if err != nil {
			return fault.Backoff(api.ReasonUninstallFailed, fmt.Errorf("failed to confirm ServiceAccount can be used to uninstall release: %w", err))
		}
		if missing {
			return nil // as when a namespace goes with all that is in it
		}
	}
	if p.health, err = p.judges.Of(p.owner(), p.obj.Spec.HealthCheckExprs); err != nil {
		p.health = nil // an expression does not keep a release
	}
	step, err := p.releases.Uninstall(ctx, p.presentTarget(), p.uninstall(uninstall))
	step = p.tolerate(step, &err)
	p.record(uninstall, step)
	latest := p.obj.Status.History.Latest()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		step.Failure = err
	case step.Waiting != nil:
		return &fault.WaitingError{
			Reason: api.ReasonProgressing, Err: errors.New(running(uninstall, timeoutOf(p.obj, uninstall))), After: step.Waiting.After, Quiet: true,
		}
	}
	if latest != nil {
		p.tellUninstall(latest, step)
	}
	if step.Failure != nil {
		p.obj.Status.Failures++
		return p.summed(fault.Backoff(api.ReasonUninstallFailed, step.Failure))
	}
	p.obj.Status.Inventory = nil
	return nil
}
