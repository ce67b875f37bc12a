package tenants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/controlplane"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/suite"
	"github.com/fluxd/fluxd/test/program"
)

// What all tests share.
var (
	shared = &suite.Suite{Account: &account}
	// open serves the tenant's own repository to everybody, guarded that of the victim
	// to who has its password.
	open, guarded *gittest.Server
	// root is the folder of the overlays, door where the daemon serves its API.
	root, door string
)

// account is who the daemon is: the service account of deploy/.
var account = controlplane.User{
	Name:   "system:serviceaccount:flux-system:fluxd",
	Groups: []string{"system:serviceaccounts", "system:serviceaccounts:flux-system"},
}

func TestMain(m *testing.M) {
	shared.Prepare = prepare
	shared.Main(m, func() {})
}

// prepare locks a cluster down as docs/tenancy.md says, and lets the victim move in.
func prepare(ctx context.Context, dir string) error {
	tree, err := harness.Root()
	if err != nil {
		return err
	}
	root = filepath.Join(tree, "deploy", "overlays")
	if open, err = serve(filepath.Join(dir, "open")); err != nil {
		return err
	}
	if guarded, err = serve(filepath.Join(dir, "guarded")); err != nil {
		return err
	}
	guarded.RequireAuth(victim, password)
	if _, err := shared.Cluster.Kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(root, "lockdown")); err != nil {
		return fmt.Errorf("install fluxd: %w", err)
	}
	args, err := arguments(ctx, "lockdown", "fluxd")
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

// arguments returns those of a Deployment of an overlay, as the container gets them,
// without what only a Pod has.
func arguments(ctx context.Context, overlay, deployment string) ([]string, error) {
	text, err := shared.Cluster.Kubectl(ctx, "kustomize", filepath.Join(root, overlay))
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(&obj.Object); err != nil {
			return nil, errors.Join(fmt.Errorf("find the Deployment %s of %s", deployment, overlay), err)
		}
		if obj.GetKind() != "Deployment" || obj.GetName() != deployment {
			continue
		}
		containers, _, _ := unstructured.NestedSlice(obj.Object, "spec", "template", "spec", "containers")
		args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "$(RUNTIME_NAMESPACE)", home)
		}
		return slices.DeleteFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--cache-dir=") }), err
	}
}
