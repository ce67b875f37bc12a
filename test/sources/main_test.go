package sources

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

// What all tests share.
var (
	cluster *harness.Cluster
	shared  *harness.Daemon
	// binary is the daemon, credentials the kubeconfig that it gets.
	binary, credentials string
)

// ownLabel marks the objects that a daemon of its own looks after, by the
// namespace of the test. The shared daemon leaves these alone.
const ownLabel = "fluxd.test/daemon"

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("-short: these tests start a control plane and servers, which may have to be built for minutes")
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
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))) // it is a number
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
	dir, err := os.MkdirTemp("", "fluxd-sources-")
	if err != nil {
		return stop, err
	}
	stops = append(stops, func() error { return os.RemoveAll(dir) })
	if _, err = upstream.Build(ctx, os.Stderr); err != nil {
		return stop, err
	}
	if binary, err = harness.Build(ctx, dir); err != nil {
		return stop, err
	}
	plane, err := controlplane.Start(ctx, controlplane.Options{Audit: true})
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
	if shared, err = harness.Start(binary, credentials, append(flags(), "--watch-label-selector=!"+ownLabel)...); err != nil {
		return stop, err
	}
	stops = append(stops, func() error { return end(shared) })
	return stop, shared.Ready(ctx)
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

// maxSource is the most bytes that a source may have, and an index of charts.
const maxSource = 2 << 20

// flags are those of every daemon here. What waits for another object is woken or
// waits for longer than any test. A failure is tried again soon, however many there
// were.
func flags() []string {
	return []string{
		"--min-retry-delay=200ms", "--max-retry-delay=2s", "--requeue-dependency=1h", "--feature-gates=ExternalArtifact=true",
		"--source-max-size=" + strconv.Itoa(maxSource), "--helm-index-max-size=" + strconv.Itoa(maxSource),
	}
}
