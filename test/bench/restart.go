package main

import (
	"context"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/harness"
)

const (
	// silence is how long somebody who was started anew must have asked nothing to have
	// come to its end: the Flux controllers look again after pauses.
	silence = 15 * time.Second
	// unrest is how long it may take until then.
	unrest = 4 * time.Minute
)

// restart measures a new process, with empty volumes, in a cluster in which nothing is
// to be done: the objects of install.
func restart(ctx context.Context, b *bench) error {
	return b.restart(ctx, harness.Sources, harness.Kustomized)
}

// helmRestart is restart with the releases of helm.
func helmRestart(ctx context.Context, b *bench) error {
	return b.restart(ctx, api.OCIRepositoryGVR, api.HelmReleaseGVR)
}

// restart starts the subject anew and measures until it asks nothing more and all
// objects of these kinds are ready.
func (b *bench) restart(ctx context.Context, kinds ...schema.GroupVersionResource) error {
	if _, err := b.rested(ctx, calm, restless); err != nil {
		return err
	}
	if err := b.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err) // it was killed, which is a way to end as well
	}
	m, err := b.measure()
	if err != nil {
		return err
	}
	if err := b.launch(ctx); err != nil {
		return err
	}
	probed := m.took()
	still := false
	for ready := false; !ready; {
		if still, err = b.rested(ctx, silence, unrest); err != nil {
			return err
		}
		if ready, err = b.everyReady(ctx, kinds...); err != nil {
			return err
		}
	}
	c, err := m.now()
	if err != nil {
		return err
	}
	c.restless = !still
	b.add(report.Time, report.Seconds(max(c.last.Sub(m.began), probed)), noGoal, "it says that it is ready after "+report.Seconds(probed).String())
	c.add(b, 1, atRest)
	return nil
}

// everyReady says whether all objects of the kinds are ready.
func (b *bench) everyReady(ctx context.Context, kinds ...schema.GroupVersionResource) (bool, error) {
	for _, gvr := range kinds {
		list, err := b.cluster.Dynamic.Resource(gvr).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, fmt.Errorf("list %s: %w", gvr.Resource, err)
		}
		for i := range list.Items {
			if !harness.Ready(&list.Items[i]) {
				return false, nil
			}
		}
	}
	return true, nil
}
