package fleet

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/deploy"
	"github.com/fluxd/fluxd/pkg/install"
	"github.com/fluxd/fluxd/test/harness"
)

// Overlay returns what an overlay of deploy/ has the daemon started with: the flags, see
// [harness.Arguments], and the limit of its memory in bytes.
func Overlay(ctx context.Context, name string) (flags []string, limit int64, err error) {
	objects, err := install.Build(ctx, deploy.FS, "./overlays/"+name)
	if err != nil {
		return nil, 0, err
	}
	if flags, err = harness.Arguments(objects, "fluxd"); err != nil {
		return nil, 0, err
	}
	containers, _, _ := unstructured.NestedSlice(objects.Of("Deployment")[0].Object, "spec", "template", "spec", "containers")
	if len(containers) != 1 {
		return nil, 0, fmt.Errorf("the Deployment of overlays/%s has %d containers", name, len(containers))
	}
	container, _ := containers[0].(map[string]any)
	text, _, _ := unstructured.NestedString(container, "resources", "limits", "memory")
	quantity, err := resource.ParseQuantity(text)
	return flags, quantity.Value(), err
}
