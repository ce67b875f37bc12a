// Command demo shows fluxd at its main job, on a real control plane of its own:
// a Git repository becomes running objects, and stays so. A registry, a bucket and
// an index of Helm charts follow.
//
// KEEP=1 leaves everything running at the end, until it is interrupted. With
// KUBECONFIG set, that cluster is used instead of a control plane of its own.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := newTeller(os.Stdout)
	if err := run(ctx, t); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// run tells the story in order.
func run(ctx context.Context, t *teller) error {
	s, err := setUp(ctx, t)
	if err != nil {
		return err
	}
	defer s.close()
	for _, chapter := range []func(context.Context) error{
		s.install, s.edit, s.remove, s.commit, s.prune,
		s.artifact, s.objects, s.chart, s.release, s.figures,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return s.keep(ctx)
}
