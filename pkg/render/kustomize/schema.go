package kustomize

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// process guards the global variables of kustomize, and so it is one itself: holding
// its only token is the right to build.
var process = newGuard(10 * time.Second)

// guard admits one build at a time and releases the schema behind them.
type guard struct {
	token chan struct{}
	// idle is how long the schema is kept without a build.
	idle time.Duration
	// The fields below belong to the holder of the token.
	timer  *time.Timer
	custom bool // the schema is not the built-in one, or not it alone
}

func newGuard(idle time.Duration) *guard {
	return &guard{token: make(chan struct{}, 1), idle: idle}
}

// do calls f while nobody else builds. A panic of f is an error.
func (g *guard) do(ctx context.Context, f func() error) (err error) {
	if err := g.enter(ctx); err != nil {
		return err
	}
	defer g.leave()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered from kustomize build panic: %v", r)
		}
	}()
	return f()
}

// enter waits for the right to build.
func (g *guard) enter(ctx context.Context) error {
	select {
	case g.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave gives the right to build back. What the next build finds of schemas is
// nothing or the built-in one.
func (g *guard) leave() {
	if g.custom {
		openapi.ResetOpenAPI()
		g.custom = false
	}
	if g.timer == nil {
		g.timer = time.AfterFunc(g.idle, g.release)
	} else {
		g.timer.Reset(g.idle)
	}
	<-g.token
}

// extend makes the built-in schema the base of a custom one. The holder of the token
// calls it before kustomize gets to know of the custom one.
func (g *guard) extend() {
	if !g.custom {
		g.custom = true
		openapi.Schema() // loads it
	}
}

// release drops the schema unless a build runs, which will see to it itself.
func (g *guard) release() {
	select {
	case g.token <- struct{}{}:
		openapi.ResetOpenAPI()
		<-g.token
	default:
	}
}
