package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/suite"
	"github.com/fluxd/fluxd/test/program"
)

// What all tests share.
var (
	cluster *harness.Cluster
	shared  *harness.Daemon
	gits    *gittest.Server
	// binary is the daemon, credentials the kubeconfig that it gets, foresight that of who
	// looks ahead, and apiURL where the shared one serves its API.
	binary, credentials, foresight, apiURL string
)

// foreseer is who looks ahead, so that nothing the daemon does is taken for theirs.
const foreseer = "foreseer"

// ownLabel marks the objects that a daemon of its own looks after, by the
// namespace of the test. The shared daemon leaves these alone.
const ownLabel = suite.OwnLabel

func TestMain(m *testing.M) {
	program.Main(m, func(ctx context.Context, stops *program.Stops) error {
		program.AtOnce(4)
		return start(ctx, stops)
	})
}

// start starts what is shared.
func start(ctx context.Context, stops *program.Stops) error {
	dir, err := stops.Dir("fluxd-e2e")
	if err != nil {
		return err
	}
	if binary, err = harness.Build(ctx, dir); err != nil {
		return err
	}
	root := filepath.Join(dir, "git")
	if err = os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if gits, err = gittest.Serve(root); err != nil {
		return err
	}
	stops.Add(gits.Close)
	plane, err := controlplane.Start(ctx, controlplane.Options{
		Audit: true, Users: []controlplane.User{{Name: elsewhere, Admin: true}, {Name: foreseer, Admin: true}},
	})
	if err != nil {
		return err
	}
	stops.Add(plane.Stop)
	if cluster, err = harness.Use(ctx, plane); err != nil {
		return err
	}
	if _, err = cluster.Kubectl(ctx, "create", "namespace", "flux-system"); err != nil {
		return err
	}
	if credentials, err = plane.KubeconfigFor(controlplane.FluxdUser); err != nil {
		return err
	}
	if foresight, err = plane.KubeconfigFor(foreseer); err != nil {
		return err
	}
	address, err := program.FreeAddress()
	if err != nil {
		return err
	}
	apiURL = "http://" + address
	more := []string{"--watch-label-selector=!" + ownLabel, "--api-addr=" + address}
	if shared, err = harness.Start(binary, credentials, append(flags(), more...)...); err != nil {
		return err
	}
	stops.Add(func() error { return suite.End(shared) })
	return shared.Ready(ctx)
}

// maxSource is the most bytes that a source may have.
const maxSource = 2 << 20

// flags are those of every daemon here. What waits for another object is woken or
// waits for longer than any test.
func flags() []string {
	return []string{"--min-retry-delay=200ms", "--requeue-dependency=1h", "--source-max-size=2Mi"}
}
