package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

// bench is a cluster, a Git server and what is measured: fluxd, or the Flux
// controllers.
type bench struct {
	*table
	dir     string
	cluster *harness.Cluster
	server  *gittest.Server
	subject subject
	closers []io.Closer // of servers that a scenario has started
	charts  *upstream.Registry
}

// subject is what is measured.
type subject interface {
	Ready(context.Context) error
	Usage() (harness.Usage, error)
	Stop(context.Context) error
}

// newBench starts everything for a scenario. Stock is the folder of the Flux
// controllers, empty to measure fluxd.
func newBench(ctx context.Context, t *table, stock string, s scenario) (*bench, error) {
	b := &bench{table: t}
	if err := b.start(ctx, stock, s); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) start(ctx context.Context, stock string, s scenario) (err error) {
	if b.dir, err = os.MkdirTemp("", "fluxd-bench-"); err != nil {
		return err
	}
	cp, err := controlplane.Start(ctx, controlplane.Options{Audit: true, AuditUsers: []string{controlplane.FluxdUser}, Progress: os.Stderr})
	if err != nil {
		return err
	}
	b.cluster = &harness.Cluster{ControlPlane: cp}
	if b.cluster, err = harness.Use(ctx, cp); err != nil {
		return err
	}
	if b.server, err = gittest.Serve(b.dir); err != nil || s.alone {
		return err
	}
	kubeconfig, err := cp.KubeconfigFor(controlplane.FluxdUser)
	if err != nil {
		return err
	}
	if stock != "" {
		if err := b.defineForeign(ctx); err != nil {
			return err
		}
	}
	if b.subject, err = startSubject(ctx, stock, b.dir, kubeconfig, s.flags); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return b.subject.Ready(ready)
}

// startSubject starts the Flux controllers, or fluxd with the flags of its Deployment
// and further ones, but without a Lease: the controllers cannot have one here.
func startSubject(ctx context.Context, stock, dir, kubeconfig string, flags []string) (subject, error) {
	if stock != "" {
		return harness.StartStock(stock, dir, kubeconfig)
	}
	binary, err := harness.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	flags = append([]string{"--cache-dir=" + filepath.Join(dir, "cache")}, flags...)
	return harness.StartWith([]string{"GOMEMLIMIT=" + ceiling}, binary, kubeconfig, flags...)
}

func (b *bench) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if b.subject != nil {
		_ = b.subject.Stop(ctx) // it is killed if it does not stop
	}
	if b.server != nil {
		_ = b.server.Close()
	}
	for _, c := range b.closers {
		_ = c.Close() // they die with this process
	}
	if b.cluster != nil {
		_ = b.cluster.Stop()
	}
	_ = os.RemoveAll(b.dir)
}

// wide is how many requests a scenario has under way at once.
const wide = 8

// parallel calls f for 0 to n-1, a few at a time.
func parallel(n int, f func(i int) error) error { return atOnce(wide, n, f) }

// atOnce calls f for 0 to n-1, as many at a time as wide says.
func atOnce(wide, n int, f func(i int) error) error {
	var mu sync.Mutex
	var failed []error
	var running sync.WaitGroup
	next := make(chan int)
	for range wide {
		running.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	running.Wait()
	return errors.Join(failed...)
}

func pause(ctx context.Context, long time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(long):
		return nil
	}
}

// percentile returns the value that a share p of the samples do not exceed.
func percentile(samples []time.Duration, p float64) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
