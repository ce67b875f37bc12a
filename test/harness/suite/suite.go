// Package suite starts what the tests of a folder share: a control plane and a daemon
// that looks after all objects but those of tests with a daemon of their own.
package suite

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

// OwnLabel marks the objects that a daemon of its own looks after, by the namespace of
// the test. The shared daemon leaves these alone.
const OwnLabel = "fluxd.test/daemon"

// Suite is what tests share.
type Suite struct {
	Cluster *harness.Cluster
	Daemon  *harness.Daemon
	// Binary is the daemon, Credentials the kubeconfig that it gets.
	Binary, Credentials string
	// Flags are those of every daemon.
	Flags []string

	stops []func() error
}

// Main runs the tests of a folder once started has been called; it does not return. The
// servers of package upstream are there as well.
func (s *Suite) Main(m *testing.M, started func()) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("-short: these tests start a control plane and servers, which may have to be built for minutes")
		os.Exit(0)
	}
	atOnce()
	os.Exit(s.run(m, started))
}

// atOnce has more tests run at once than there are processors, unless the caller
// says how many: most of the time they wait.
func atOnce() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))) // it is a number
	}
}

func (s *Suite) run(m *testing.M, started func()) (code int) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	err := s.start(ctx)
	defer func() {
		if err := s.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	started()
	return m.Run()
}

// stop stops as much as was started.
func (s *Suite) stop() error {
	var failures []error
	for i := len(s.stops) - 1; i >= 0; i-- {
		failures = append(failures, s.stops[i]())
	}
	return errors.Join(failures...)
}

// start starts what is shared.
func (s *Suite) start(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "fluxd-suite-")
	if err != nil {
		return err
	}
	s.stops = append(s.stops, func() error { return os.RemoveAll(dir) })
	if _, err := upstream.Build(ctx, os.Stderr); err != nil {
		return err
	}
	if s.Binary, err = harness.Build(ctx, dir); err != nil {
		return err
	}
	plane, err := controlplane.Start(ctx, controlplane.Options{Audit: true})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, plane.Stop)
	if s.Cluster, err = harness.Use(ctx, plane); err != nil {
		return err
	}
	if _, err := s.Cluster.Kubectl(ctx, "create", "namespace", "flux-system"); err != nil {
		return err
	}
	if s.Credentials, err = plane.KubeconfigFor(controlplane.FluxdUser); err != nil {
		return err
	}
	if s.Daemon, err = s.Start("--watch-label-selector=!" + OwnLabel); err != nil {
		return err
	}
	s.stops = append(s.stops, func() error { return End(s.Daemon) })
	return s.Daemon.Ready(ctx)
}

// Start starts a daemon with the flags of every daemon and more.
func (s *Suite) Start(flags ...string) (*harness.Daemon, error) {
	return harness.Start(s.Binary, s.Credentials, append(append([]string{}, s.Flags...), flags...)...)
}

// End ends a daemon, which must be quick and without an error.
func End(d *harness.Daemon) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lost, err := d.Metric("fluxd_lost_wakeups_total")
	if lost > 0 {
		err = errors.Join(err, fmt.Errorf("the watchdog had to revive %g objects", lost))
	}
	return errors.Join(err, d.Stop(ctx))
}
