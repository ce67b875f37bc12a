// Package suite starts what the tests of a folder share: a control plane and a daemon
// that looks after all objects but those of tests with a daemon of their own.
package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
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
	// Account is who the daemons are; if nil, the user that may do everything.
	Account *controlplane.User
	// Prepare, if not nil, is called on the cluster before the daemon starts, with a
	// folder for whatever has to go when the tests are over. It makes the namespace
	// flux-system.
	Prepare func(ctx context.Context, dir string) error

	stops *program.Stops
}

// Main runs the tests of a folder once started has been called; it does not return. The
// servers of package upstream are there as well.
func (s *Suite) Main(m *testing.M, started func()) {
	program.Main(m, func(ctx context.Context, stops *program.Stops) error {
		program.AtOnce(3)
		s.stops = stops
		if err := s.start(ctx); err != nil {
			return err
		}
		started()
		return nil
	})
}

// Stopping has f called when the tests are over, before what was started earlier stops.
func (s *Suite) Stopping(f func() error) { s.stops.Add(f) }

// start starts what is shared.
func (s *Suite) start(ctx context.Context) error {
	dir, err := s.stops.Dir("fluxd-suite")
	if err != nil {
		return err
	}
	if _, err := upstream.Build(ctx, os.Stderr); err != nil {
		return err
	}
	if s.Binary, err = harness.Build(ctx, dir); err != nil {
		return err
	}
	options, user := controlplane.Options{Audit: true}, controlplane.FluxdUser
	if s.Account != nil {
		options.Users, user = []controlplane.User{*s.Account}, s.Account.Name
	}
	plane, err := controlplane.Start(ctx, options)
	if err != nil {
		return err
	}
	s.Stopping(plane.Stop)
	if s.Cluster, err = harness.Use(ctx, plane); err != nil {
		return err
	}
	if err := s.prepare(ctx, dir); err != nil {
		return err
	}
	if s.Credentials, err = plane.KubeconfigFor(user); err != nil {
		return err
	}
	if s.Daemon, err = s.Start("--watch-label-selector=!" + OwnLabel); err != nil {
		return err
	}
	s.Stopping(func() error { return End(s.Daemon) })
	return s.Daemon.Ready(ctx)
}

func (s *Suite) prepare(ctx context.Context, dir string) error {
	if s.Prepare != nil {
		return s.Prepare(ctx, dir)
	}
	_, err := s.Cluster.Kubectl(ctx, "create", "namespace", "flux-system")
	return err
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
