package edge

import (
	"context"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/fleet"
	"github.com/fluxd/fluxd/test/harness/suite"
	"github.com/fluxd/fluxd/test/harness/world"
)

// ownFleet is a fleet of one test, looked after by daemons of its own.
type ownFleet struct {
	*fleet.Fleet
	world *world.World
}

// newFleet returns one that is not in the cluster yet, of the given size.
func newFleet(t *testing.T, o fleet.Options) *ownFleet {
	t.Helper()
	w := world.New(t, shared.Cluster, "{}")
	o.Cluster, o.Namespace, o.Labels = shared.Cluster, w.Namespace, "{"+suite.OwnLabel+": "+w.Namespace+"}"
	f, err := fleet.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return &ownFleet{Fleet: f, world: w}
}

// start starts a daemon, in a cgroup if there is one. It ends with the test, if it has
// not ended before.
func (f *ownFleet) start(c *harness.Cgroup, flags ...string) *harness.Daemon {
	t := f.world.T
	t.Helper()
	binary := shared.Binary
	if c != nil {
		var err error
		if binary, err = harness.Unread(binary, t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	all := append(append([]string{}, flags...), shared.Flags...)
	all = append(all, "--watch-label-selector="+suite.OwnLabel+"="+f.Namespace, "--feature-gates=ExternalArtifact=true")
	d, err := harness.StartIn(c, []string{harness.TraceCollector}, binary, shared.Credentials, all...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of a daemon:\n%s", strings.Join(d.Logs(), "\n"))
		}
		_ = d.Kill() // unless it has ended
	})
	return d
}

// stop ends a daemon in good order.
func (f *ownFleet) stop(d *harness.Daemon) {
	f.world.T.Helper()
	if err := suite.End(d); err != nil {
		f.world.T.Fatal(err)
	}
}

// within calls a step of the fleet with patience.
func (f *ownFleet) within(what string, step func(context.Context) error) {
	f.world.T.Helper()
	ctx, cancel := context.WithTimeout(f.world.T.Context(), 2*world.Patience)
	defer cancel()
	if err := step(ctx); err != nil {
		f.world.T.Fatalf("%s: %v", what, err)
	}
}
