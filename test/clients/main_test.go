package clients

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/upstream"
)

// What all tests share.
var (
	cluster *harness.Cluster
	daemon  *harness.Daemon
	gits    *gittest.Server
	oci     *upstream.Registry
	s3      *upstream.S3
	charts  *upstream.HelmIndex
	// binary is the daemon, manifests the folder with those of an installation.
	binary, manifests string
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
	flag.Parse()
	if testing.Short() {
		fmt.Println("-short: these tests start a control plane, which may have to be built for minutes")
		os.Exit(0)
	}
	atOnce()
	os.Exit(run(m))
}

// atOnce has more tests run at once than there are processors, unless the caller
// says how many: most of the time they wait for a command that waits.
func atOnce() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))) // it is a number
	}
}

func run(m *testing.M) (code int) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	stop, err := start(ctx)
	defer func() {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// start starts what is shared. What it returns stops as much as was started.
func start(ctx context.Context) (stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var failures []error
		for i := len(stops) - 1; i >= 0; i-- {
			failures = append(failures, stops[i]())
		}
		return errors.Join(failures...)
	}
	if cli, noCLI = harness.FluxCLI(ctx, os.Stderr); noCLI != nil && !errors.Is(noCLI, harness.ErrNoFluxCLI) {
		return stop, noCLI
	}
	root, err := harness.Root()
	if err != nil {
		return stop, err
	}
	manifests = filepath.Join(root, "deploy")
	dir, err := os.MkdirTemp("", "fluxd-clients-")
	if err != nil {
		return stop, err
	}
	stops = append(stops, func() error { return os.RemoveAll(dir) })
	if binary, err = harness.Build(ctx, dir); err != nil {
		return stop, err
	}
	home = filepath.Join(dir, "home")
	if err = os.Mkdir(home, 0o755); err != nil {
		return stop, err
	}
	if err = serve(ctx, dir, &stops); err != nil {
		return stop, err
	}
	plane, err := controlplane.Start(ctx, controlplane.Options{Users: []controlplane.User{account}})
	if err != nil {
		return stop, err
	}
	stops = append(stops, plane.Stop)
	if cluster, daemon, err = install(ctx, plane); err != nil {
		return stop, err
	}
	stops = append(stops, func() error { return end(daemon) })
	return stop, nil
}

// serve starts the servers that sources read from.
func serve(ctx context.Context, dir string, stops *[]func() error) (err error) {
	if _, err = upstream.Build(ctx, os.Stderr); err != nil {
		return err
	}
	root := filepath.Join(dir, "git")
	if err = os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if gits, err = gittest.Serve(root); err != nil {
		return err
	}
	*stops = append(*stops, gits.Close)
	if oci, err = upstream.StartRegistry(ctx, upstream.RegistryOptions{}); err != nil {
		return err
	}
	*stops = append(*stops, oci.Close)
	if s3, err = upstream.StartS3(ctx, upstream.S3Options{AccessKey: user, SecretKey: password}); err != nil {
		return err
	}
	*stops = append(*stops, s3.Close)
	if charts, err = upstream.StartHelmIndex(upstream.HelmIndexOptions{}); err != nil {
		return err
	}
	*stops = append(*stops, charts.Close)
	return charts.Publish(web("1.0.0"), web("1.1.0"))
}

// install applies deploy/ to a cluster, as the README says, and starts the daemon in the
// place of the container that the simulated nodes do not run.
func install(ctx context.Context, plane *controlplane.ControlPlane) (*harness.Cluster, *harness.Daemon, error) {
	c, err := harness.Use(ctx, plane)
	if err != nil {
		return nil, nil, err
	}
	if _, err := c.Kubectl(ctx, "apply", "--server-side", "-k", manifests); err != nil {
		return nil, nil, err
	}
	if _, err := c.Kubectl(ctx, "-n", namespace, "rollout", "status", "deployment/fluxd", "--timeout=60s"); err != nil {
		return nil, nil, err
	}
	credentials, err := plane.KubeconfigFor(account.Name)
	if err != nil {
		return nil, nil, err
	}
	d, err := harness.Start(binary, credentials, flags()...)
	if err != nil {
		return nil, nil, err
	}
	return c, d, d.Ready(ctx)
}

// end ends a daemon, which must be quick and without an error.
func end(d *harness.Daemon) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lost, err := d.Metric("fluxd_lost_wakeups_total")
	if lost > 0 {
		err = errors.Join(err, fmt.Errorf("the watchdog had to revive %g objects", lost))
	}
	return errors.Join(err, d.Stop(ctx))
}

// flags are those of the daemon. A failure is tried again soon.
func flags() []string {
	return []string{"--min-retry-delay=200ms", "--max-retry-delay=2s", "--feature-gates=ExternalArtifact=true"}
}
