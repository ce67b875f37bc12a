package e2e

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
	"github.com/fluxd/fluxd/test/program"
)

// What all tests share.
var (
	cluster *harness.Cluster
	shared  *harness.Daemon
	gits    *gittest.Server
	// binary is the daemon, credentials the kubeconfig that it gets, and apiURL where the
	// shared one serves its API.
	binary, credentials, apiURL string
)

// ownLabel marks the objects that a daemon of its own looks after, by the
// namespace of the test. The shared daemon leaves these alone.
const ownLabel = "fluxd.test/daemon"

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
// says how many: most of the time they wait.
func atOnce() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))) // it is a number
	}
}

func run(m *testing.M) (code int) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
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
	dir, err := os.MkdirTemp("", "fluxd-e2e-")
	if err != nil {
		return stop, err
	}
	stops = append(stops, func() error { return os.RemoveAll(dir) })
	if binary, err = harness.Build(ctx, dir); err != nil {
		return stop, err
	}
	root := filepath.Join(dir, "git")
	if err = os.Mkdir(root, 0o755); err != nil {
		return stop, err
	}
	if gits, err = gittest.Serve(root); err != nil {
		return stop, err
	}
	stops = append(stops, gits.Close)
	plane, err := controlplane.Start(ctx, controlplane.Options{
		Audit: true, Users: []controlplane.User{{Name: elsewhere, Admin: true}},
	})
	if err != nil {
		return stop, err
	}
	stops = append(stops, plane.Stop)
	if cluster, err = harness.Use(ctx, plane); err != nil {
		return stop, err
	}
	if _, err = cluster.Kubectl(ctx, "create", "namespace", "flux-system"); err != nil {
		return stop, err
	}
	if credentials, err = plane.KubeconfigFor(controlplane.FluxdUser); err != nil {
		return stop, err
	}
	address, err := program.FreeAddress()
	if err != nil {
		return stop, err
	}
	apiURL = "http://" + address
	more := []string{"--watch-label-selector=!" + ownLabel, "--api-addr=" + address}
	if shared, err = harness.Start(binary, credentials, append(flags(), more...)...); err != nil {
		return stop, err
	}
	stops = append(stops, stopShared)
	return stop, shared.Ready(ctx)
}

// stopShared ends the shared daemon, which must be quick and without an error.
func stopShared() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lost, err := shared.Metric("fluxd_lost_wakeups_total")
	if lost > 0 {
		err = errors.Join(err, fmt.Errorf("the watchdog had to revive %g objects", lost))
	}
	return errors.Join(err, shared.Stop(ctx))
}

// maxSource is the most bytes that a source may have.
const maxSource = 2 << 20

// flags are those of every daemon here. What waits for another object is woken or
// waits for longer than any test.
func flags() []string {
	return []string{"--min-retry-delay=200ms", "--requeue-dependency=1h", "--source-max-size=2Mi"}
}
