package tenants

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/suite"
	"github.com/fluxd/fluxd/test/program"
)

// What all tests share.
var (
	shared = &suite.Suite{Account: &harness.Account}
	// open serves the tenant's own repository to everybody, guarded that of the victim
	// to who has its password.
	open, guarded *gittest.Server
	// door is where the daemon serves its API.
	door string
)

func TestMain(m *testing.M) {
	shared.Prepare = prepare
	shared.Main(m, func() {})
}

// prepare locks a cluster down as docs/tenancy.md says, and lets the victim move in.
func prepare(ctx context.Context, dir string) error {
	var err error
	if open, err = serve(filepath.Join(dir, "open")); err != nil {
		return err
	}
	if guarded, err = serve(filepath.Join(dir, "guarded")); err != nil {
		return err
	}
	guarded.RequireAuth(victim, password)
	objects, err := shared.Cluster.Install(ctx, "overlays/lockdown")
	if err != nil {
		return err
	}
	args, err := harness.Arguments(objects, "fluxd")
	if err != nil {
		return err
	}
	address, err := program.FreeAddress()
	if err != nil {
		return err
	}
	door = "http://" + address
	shared.Flags = append(args, "--cache-dir="+filepath.Join(dir, "cache"), "--api-addr="+address, "--feature-gates=ExternalArtifact=true",
		"--min-retry-delay=1s", "--requeue-dependency=5s", "--http-retry=0", "--leader-election-retry-period=200ms")
	return moveIn(ctx)
}

func serve(dir string) (*gittest.Server, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	s, err := gittest.Serve(dir)
	if err == nil {
		shared.Stopping(s.Close)
	}
	return s, err
}
