package helmrelease

import (
	"context"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/forecast"
)

// releaser acts on releases; [release.Releaser] is one.
type releaser interface {
	reader
	actor
	guard
	foreteller
}

type foreteller interface {
	Forecast(ctx context.Context, t release.Target, f release.Foresight) ([]forecast.Object, error)
	ForecastUninstall(ctx context.Context, t release.Target, inventory apply.Inventory) ([]forecast.Object, error)
}

type reader interface {
	Last(ctx context.Context, t release.Target, tag release.Tag) (*release.Observation, error)
	Revision(ctx context.Context, t release.Target, version int, tag release.Tag) (*release.Observation, error)
	Inventory(ctx context.Context, t release.Target, version int) (apply.Inventory, error)
	Current(ctx context.Context, t release.Target) (*release.Chart, map[string]any, error)
}

type actor interface {
	ApplyCRDs(ctx context.Context, t release.Target, c release.CRDs) (release.Step, error)
	Install(ctx context.Context, t release.Target, in release.Install) (release.Step, error)
	Upgrade(ctx context.Context, t release.Target, up release.Upgrade) (release.Step, error)
	Rollback(ctx context.Context, t release.Target, rb release.Rollback) (release.Step, error)
	Uninstall(ctx context.Context, t release.Target, un release.Uninstall) (release.Step, error)
	Test(ctx context.Context, t release.Target, te release.Test) (release.Step, error)
	Unlock(ctx context.Context, t release.Target, o release.Options) (release.Step, error)
	Continue(ctx context.Context, t release.Target) (release.Step, error)
	Cancel(ctx context.Context, t release.Target, cause error) (release.Step, error)
}

type guard interface {
	Drift(ctx context.Context, t release.Target, w release.Watch) ([]release.Drift, error)
	Correct(ctx context.Context, t release.Target, w release.Watch) (apply.Changes, error)
	Unwatch(t release.Target)
	Forget(owner apply.Owner)
}
