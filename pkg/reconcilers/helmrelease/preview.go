package helmrelease

import (
	"context"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/render/helm"
)

// Preview implements [reconcilers.Previewer]: it renders the release that is to come and
// has the API server say what would become of its objects. Hooks and the files of crds
// folders are no part of it, and templates look nothing up.
func (r *reconciler) Preview(ctx context.Context, obj *v2.HelmRelease, q reconcilers.Question) (forecast.Owner, error) {
	p := r.pass(obj)
	p.preview = true
	defer p.close()
	defer r.courses.end(p.owner())
	out := forecast.Owner{Kind: api.HelmReleaseKind, Namespace: obj.Namespace, Name: obj.Name, Remote: obj.Spec.KubeConfig != nil}
	if last := obj.Status.History.Latest(); last != nil {
		out.Current = last.ChartVersion
	}
	if k := obj.Spec.KubeConfig; k != nil && k.SecretRef != nil {
		out.RemoteSecret = k.SecretRef.Name
	}
	if obj.Spec.Suspend {
		out.Notes = append(out.Notes, "spec.suspend is true: nothing of this happens before it is resumed")
	}
	inventory, err := p.inventory()
	if err != nil {
		return out, err
	}
	if q.Deleted {
		err = p.foretellEnd(ctx, inventory, &out)
	} else {
		err = p.foretell(ctx, q, inventory, &out)
	}
	return out, err
}

func (p *pass) inventory() (apply.Inventory, error) {
	if p.obj.Status.Inventory == nil {
		return nil, nil
	}
	return apply.ReadInventory(p.obj.Status.Inventory.Entries)
}

// foretell looks at the revision that is to come.
func (p *pass) foretell(ctx context.Context, q reconcilers.Question, inventory apply.Inventory, out *forecast.Owner) error {
	if err := p.check(ctx); err != nil {
		return err
	}
	ref, _ := sourceRef(p.obj)
	if err := p.mayUse(ref.Kind, ref.Namespace, ref.Name); err != nil {
		return err
	}
	next, _, err := q.Source(ctx, ref, "")
	if err != nil {
		return err
	}
	if next.Note != "" {
		out.Notes = append(out.Notes, next.Note)
	}
	p.artifact, p.tree = &next.Artifact, next.Tree
	for _, step := range []func(context.Context) error{p.values, p.identify, p.connect} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	out.Revision = p.version
	in := helm.Input{Revision: 1}
	if last := p.obj.Status.History.Latest(); last != nil {
		in.Revision, in.Upgrade = last.Version+1, true
	}
	if why := moved(p.obj, p.id.Name); why != "" {
		out.Notes = append(out.Notes, fmt.Sprintf("%s: what there is of the release is uninstalled first", why))
	}
	rendered, err := p.render(ctx, in)
	if err != nil {
		return err
	}
	out.Notes = append(out.Notes, p.warnings...)
	out.Objects, err = p.releases.Forecast(ctx, p.wantedTarget(), release.Foresight{Rendered: rendered, Inventory: inventory, Expected: q.Expected})
	return err
}

// foretellEnd looks at what goes with the object.
func (p *pass) foretellEnd(ctx context.Context, inventory apply.Inventory, out *forecast.Owner) error {
	if p.obj.Spec.Suspend || p.obj.Status.StorageNamespace == "" {
		return nil // the release stays, or there is none
	}
	if err := p.connect(ctx); err != nil {
		return err
	}
	var err error
	out.Objects, err = p.releases.ForecastUninstall(ctx, p.presentTarget(), inventory)
	return err
}
