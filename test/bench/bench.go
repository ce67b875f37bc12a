package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/bench/report"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

// bench is a cluster, a Git server and what is measured: fluxd, or the Flux
// controllers.
type bench struct {
	options
	who        report.Subject
	stock      string          // the folder of the Flux controllers, empty to measure fluxd
	flags      []string        // of fluxd
	section    *report.Section // where figures go now
	dir        string
	binary     string // of fluxd
	kubeconfig string // of the subject
	cluster    *harness.Cluster
	server     *gittest.Server
	subject    subject
	before     subject           // that was stopped last
	api        *relay            // to the API server, nil without a subject
	relays     map[string]*relay // to other servers, by their address
	closers    []io.Closer       // of servers that a scenario has started
	charts     *upstream.Registry
	mark       controlplane.AuditMark // where the last measure begins
}

// subject is what is measured.
type subject interface {
	Ready(context.Context) error
	Usage() (harness.Usage, error)
	ForgetPeak() error
	Stop(context.Context) error
}

// newBench starts everything for a scenario.
func newBench(ctx context.Context, o options, who report.Subject, stock string, s scenario) (*bench, error) {
	b := &bench{options: o, who: who, stock: stock, flags: s.flags, relays: make(map[string]*relay)}
	if err := b.start(ctx, s.alone); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// start starts the control plane, a Git server and, unless the API server is to be
// alone, the subject.
func (b *bench) start(ctx context.Context, alone bool) (err error) {
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
	if b.server, err = gittest.Serve(b.dir); err != nil || alone {
		return err
	}
	kubeconfig, err := cp.KubeconfigFor(controlplane.FluxdUser)
	if err != nil {
		return err
	}
	if b.kubeconfig, err = b.relayed(kubeconfig); err != nil {
		return err
	}
	if b.stock != "" {
		err = b.defineForeign(ctx)
	} else {
		b.binary, err = harness.Build(ctx, b.dir)
	}
	if err != nil {
		return err
	}
	return b.launch(ctx)
}

// launch starts the subject with empty volumes, and returns when it says that it is
// ready: the Flux controllers, or fluxd with the flags of its Deployment and those of
// the scenario. Both are without Leases, which the controllers cannot have here.
func (b *bench) launch(ctx context.Context) error {
	volume, err := os.MkdirTemp(b.dir, "volume-")
	if err != nil {
		return err
	}
	if before, ok := b.before.(*harness.Stock); ok {
		b.subject, err = started(before.Again(volume))
	} else if b.stock != "" {
		b.subject, err = started(harness.StartStock(b.stock, volume, b.kubeconfig))
	} else {
		flags := append([]string{"--cache-dir=" + filepath.Join(volume, "cache")}, b.flags...)
		b.subject, err = started(harness.StartWith([]string{"GOMEMLIMIT=" + ceiling}, b.binary, b.kubeconfig, flags...))
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return b.subject.Ready(ctx)
}

// started turns one that has not been started into nil.
func started[S subject](s S, err error) (subject, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// stop ends the subject, by force if need be.
func (b *bench) stop() error {
	if b.subject == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := b.subject.Stop(ctx)
	b.before, b.subject = b.subject, nil
	return err
}

func (b *bench) close() {
	_ = b.stop() // it is killed if it does not stop
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

// add adds a figure of the subject to the section. What else is to be said about it
// stands beside it.
func (b *bench) add(what string, v report.Value, goal report.Goal, note ...string) {
	b.section.Add(b.who, what, v, goal, strings.Join(note, ", "))
}

// noGoal is for figures that have none.
var noGoal = report.Goal{}
