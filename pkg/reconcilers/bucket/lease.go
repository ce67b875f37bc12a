package bucket

import (
	"context"
	"sync"
	"time"
)

// early is how long before their end credentials are not used any more.
const early = time.Minute

// lease keeps credentials during one attempt, so that thousands of requests ask for them
// once.
func lease[T any](get func(context.Context) (T, time.Time, error)) func(context.Context) (T, error) {
	var mu sync.Mutex
	var value T
	var until time.Time
	held := false
	return func(ctx context.Context) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if held && (until.IsZero() || time.Now().Before(until)) {
			return value, nil
		}
		v, expires, err := get(ctx)
		if err != nil {
			return v, &credentialsError{err}
		}
		value, until, held = v, expires, true
		if !expires.IsZero() {
			until = expires.Add(-early)
		}
		return value, nil
	}
}
