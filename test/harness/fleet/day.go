package fleet

import (
	"context"
	"fmt"
	"time"
)

// Day is what happens to a fleet: everything is installed, looked at again, changed twice,
// edited by hand, and looked at again. Each step is told of with the time it took.
func (f *Fleet) Day(ctx context.Context, tell func(step string, took time.Duration)) error {
	changed := func(ctx context.Context) error {
		if err := f.Change(ctx); err != nil {
			return err
		}
		return f.Ready(ctx)
	}
	nothing := func(ctx context.Context) error {
		return f.Handled(ctx, append(f.Sources(), f.Consumers()...)...)
	}
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"install", func(ctx context.Context) error {
			if err := f.Create(ctx); err != nil {
				return err
			}
			return f.Ready(ctx)
		}},
		{"nothing new", nothing},
		{"everything changes", changed},
		{"everything changes once more", changed},
		{"drift", func(ctx context.Context) error {
			if err := f.Drift(ctx); err != nil {
				return err
			}
			return f.Mended(ctx)
		}},
		{"nothing new in the end", nothing},
	} {
		began := time.Now()
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		tell(step.name, time.Since(began))
	}
	return nil
}
