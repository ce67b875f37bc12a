package bootstrap

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
)

// What all tests share. They run one after the other, each on a cluster without
// fluxd.
var (
	cluster *harness.Cluster
	gits    *gittest.Server
	sshes   *gittest.SSHServer
	// binary is fluxd, credentials the kubeconfig that its process gets.
	binary, credentials string
)

// reader may look at everything and change nothing.
const reader = "reader"

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("-short: these tests start a control plane, which may have to be built for minutes")
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	stop, err := start(ctx)
	defer func() { _ = stop() }()
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
	dir, err := os.MkdirTemp("", "fluxd-bootstrap-")
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
	if sshes, err = gittest.ServeSSH(root); err != nil {
		return stop, err
	}
	stops = append(stops, sshes.Close)
	plane, err := controlplane.Start(ctx, controlplane.Options{Users: []controlplane.User{{Name: reader}}})
	if err != nil {
		return stop, err
	}
	stops = append(stops, plane.Stop)
	config, err := clientcmd.BuildConfigFromFlags("", plane.Kubeconfig())
	if err != nil {
		return stop, err
	}
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return stop, err
	}
	cluster = &harness.Cluster{ControlPlane: plane, Dynamic: client}
	credentials, err = plane.KubeconfigFor(controlplane.FluxdUser)
	return stop, err
}
