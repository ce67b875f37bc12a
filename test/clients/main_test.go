package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/suite"
	"github.com/fluxd/fluxd/test/upstream"
)

// What all tests share.
var (
	shared = &suite.Suite{
		Flags:   []string{"--min-retry-delay=200ms", "--max-retry-delay=2s", "--feature-gates=ExternalArtifact=true"},
		Account: &account,
	}
	gits   *gittest.Server
	oci    *upstream.Registry
	s3     *upstream.S3
	charts *upstream.HelmIndex
	// cli is the flux command line, empty if there is none because of noCLI.
	cli   string
	noCLI error
	// home is that of who types the commands.
	home string
)

// account is who the daemon is: the service account of deploy/.
var account = controlplane.User{
	Name:   "system:serviceaccount:flux-system:fluxd",
	Groups: []string{"system:serviceaccounts", "system:serviceaccounts:flux-system"},
}

const (
	user     = "somebody"
	password = "pa55-w0rd-0f-the-te5t"
)

func TestMain(m *testing.M) {
	shared.Prepare = prepare
	shared.Main(m, func() {})
}

// prepare starts the servers that sources read from, and installs fluxd.
func prepare(ctx context.Context, dir string) (err error) {
	if cli, noCLI = harness.FluxCLI(ctx, os.Stderr); noCLI != nil && !errors.Is(noCLI, harness.ErrNoFluxCLI) {
		return noCLI
	}
	home = filepath.Join(dir, "home")
	repositories := filepath.Join(dir, "git")
	if err := errors.Join(os.Mkdir(home, 0o755), os.Mkdir(repositories, 0o755)); err != nil {
		return err
	}
	if gits, err = gittest.Serve(repositories); err != nil {
		return err
	}
	shared.Stopping(gits.Close)
	if oci, err = upstream.StartRegistry(ctx, upstream.RegistryOptions{}); err != nil {
		return err
	}
	shared.Stopping(oci.Close)
	if s3, err = upstream.StartS3(ctx, upstream.S3Options{AccessKey: user, SecretKey: password}); err != nil {
		return err
	}
	shared.Stopping(s3.Close)
	if charts, err = upstream.StartHelmIndex(upstream.HelmIndexOptions{}); err != nil {
		return err
	}
	shared.Stopping(charts.Close)
	return errors.Join(charts.Publish(web("1.0.0"), web("1.1.0")), install(ctx, shared.Cluster))
}

// install applies deploy/ to a cluster, as the README says. The simulated nodes do not
// run the container, whose place the daemon of the test takes.
func install(ctx context.Context, c *harness.Cluster) error {
	root, err := harness.Root()
	if err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(root, "deploy")); err != nil {
		return fmt.Errorf("install fluxd: %w", err)
	}
	_, err = c.Kubectl(ctx, "-n", namespace, "rollout", "status", "deployment/fluxd", "--timeout=60s")
	return err
}
