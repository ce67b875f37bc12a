package overlays

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
)

// What all tests share. They run one after the other: each has its own daemons, which
// look after everything.
var (
	cluster *harness.Cluster
	// root is where the repositories are, binary the daemon, credentials those of its
	// service account.
	root, binary, credentials string
)

func TestMain(m *testing.M) { program.Main(m, start) }

// start starts what is shared.
func start(ctx context.Context, stops *program.Stops) error {
	dir, err := stops.Dir("fluxd-overlays")
	if err != nil {
		return err
	}
	if binary, err = harness.Build(ctx, dir); err != nil {
		return err
	}
	root = filepath.Join(dir, "git")
	if err = os.Mkdir(root, 0o755); err != nil {
		return err
	}
	plane, err := controlplane.Start(ctx, controlplane.Options{Users: []controlplane.User{harness.Account}})
	if err != nil {
		return err
	}
	stops.Add(plane.Stop)
	if cluster, err = harness.Use(ctx, plane); err != nil {
		return err
	}
	credentials, err = plane.KubeconfigFor(harness.Account.Name)
	return err
}

// serve serves the repositories until it is closed.
func serve(t *testing.T) *gittest.Server {
	t.Helper()
	s, err := gittest.Serve(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // or the test has
	return s
}
