package release

import (
	"context"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/forecast"
)

// Foresight is what is foretold of a revision to come.
type Foresight struct {
	Rendered
	// Inventory are the objects of the release as it is. Definitions among them stay,
	// whatever is to come.
	Inventory apply.Inventory
	// Expected is what earlier steps of the same preview would create.
	Expected *forecast.Expected
}

// Forecast says what would become of the objects of a release, without its hooks and
// the files of crds folders. It asks the API server for dry-runs and writes nothing. The
// applier of the target should be one that forgets.
func (r *Releaser) Forecast(ctx context.Context, t Target, f Foresight) ([]forecast.Object, error) {
	objects, err := t.objects(f.Manifest, t.Namespace)
	if err != nil {
		return nil, err
	}
	t.own(objects)
	plan, err := t.Applier.Plan(ctx, apply.Request{
		Owner: t.Owner, Objects: objects, Inventory: withoutCRDs(f.Inventory), Rules: t.Health.objects(WaitPoller, true),
	})
	if err != nil {
		return nil, err
	}
	found, err := t.Applier.Forecast(ctx, apply.Foresight{Plan: plan, Expected: f.Expected})
	if err != nil || len(plan.Stale) == 0 {
		return found, err
	}
	stale, err := t.Applier.ForecastPrune(ctx, t.Owner, plan.Stale)
	return append(found, stale...), err
}

// ForecastUninstall says what would become of the objects of a release that is
// uninstalled.
func (r *Releaser) ForecastUninstall(ctx context.Context, t Target, inventory apply.Inventory) ([]forecast.Object, error) {
	return t.Applier.ForecastPrune(ctx, t.Owner, withoutCRDs(inventory))
}

// withoutCRDs returns an inventory without the definitions, which are never deleted.
func withoutCRDs(inventory apply.Inventory) apply.Inventory {
	var rest apply.Inventory
	for _, e := range inventory {
		if e.Group != crdGroup || e.Kind != crdKind {
			rest = append(rest, e)
		}
	}
	return rest
}
