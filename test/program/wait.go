package program

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is how long to leave between two looks at something local.
const pollEvery = 50 * time.Millisecond

// Poll calls ask until it returns nil. When ctx ends first, the error says so
// and what was still wrong.
func Poll(ctx context.Context, ask func(context.Context) error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}
