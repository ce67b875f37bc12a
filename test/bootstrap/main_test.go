package bootstrap

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
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

func TestMain(m *testing.M) { program.Main(m, start) }

// start starts what is shared.
func start(ctx context.Context, stops *program.Stops) error {
	dir, err := stops.Dir("fluxd-bootstrap")
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
	if sshes, err = gittest.ServeSSH(root); err != nil {
		return err
	}
	stops.Add(sshes.Close)
	plane, err := controlplane.Start(ctx, controlplane.Options{Users: []controlplane.User{{Name: reader}}})
	if err != nil {
		return err
	}
	stops.Add(plane.Stop)
	config, err := clientcmd.BuildConfigFromFlags("", plane.Kubeconfig())
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	cluster = &harness.Cluster{ControlPlane: plane, Dynamic: client}
	credentials, err = plane.KubeconfigFor(controlplane.FluxdUser)
	return err
}
