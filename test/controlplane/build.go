package controlplane

import (
	"context"
	"io"

	"github.com/fluxd/fluxd/test/program"
)

// version is the Kubernetes that test/cluster/go.mod asks for, without the v.
const (
	version      = "1.37.2"
	versionMajor = "1"
	versionMinor = "37"
)

// module is what the control plane is built from. The flags make the program say
// which version it is; without them the API server reports v0.0.0, which clients
// refuse.
var module = program.Module{
	Dir:  "test/cluster",
	Name: "fluxd-test-cluster",
	LinkFlags: "-s -w" +
		" -X k8s.io/component-base/version.gitVersion=v" + version +
		" -X k8s.io/component-base/version.gitMajor=" + versionMajor +
		" -X k8s.io/component-base/version.gitMinor=" + versionMinor +
		" -X k8s.io/client-go/pkg/version.gitVersion=v" + version,
	Cache: "control-plane",
	Title: "the control plane",
	Takes: "some minutes",
}

// Build returns the path of the control plane program, built first if need be.
// Progress, which may be nil, is told in lines while there is a wait.
func Build(ctx context.Context, progress io.Writer) (string, error) {
	return module.Build(ctx, progress)
}
