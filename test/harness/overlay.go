package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/fluxd/fluxd/pkg/install"
	"github.com/fluxd/fluxd/test/controlplane"
)

// Account is who a daemon is that was installed: the service account of deploy/.
var Account = controlplane.User{
	Name:   "system:serviceaccount:flux-system:fluxd",
	Groups: []string{"system:serviceaccounts", "system:serviceaccounts:flux-system"},
}

// Install applies a folder of deploy, such as overlays/lockdown, as its page says, and
// returns its objects. The simulated nodes do not run the container: the test does.
func (c *Cluster) Install(ctx context.Context, folder string) ([]*unstructured.Unstructured, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	folder = filepath.Join(root, "deploy", folder)
	if _, err := c.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", folder); err != nil {
		return nil, fmt.Errorf("install fluxd: %w", err)
	}
	text, err := c.Kubectl(ctx, "kustomize", folder)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", folder, err)
	}
	var all []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(&obj.Object); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("render %s: %w", folder, err)
		}
		all = append(all, obj)
	}
}

// Arguments returns those that the container of a Deployment among objects gets, but for
// --cache-dir, whose folder the caller chooses.
func Arguments(objects []*unstructured.Unstructured, deployment string) ([]string, error) {
	for _, obj := range objects {
		if obj.GetKind() != "Deployment" || obj.GetName() != deployment {
			continue
		}
		c, err := install.ReadController(obj)
		return slices.DeleteFunc(c.Args, func(arg string) bool { return strings.HasPrefix(arg, "--cache-dir=") }), err
	}
	return nil, fmt.Errorf("there is no Deployment %s", deployment)
}
