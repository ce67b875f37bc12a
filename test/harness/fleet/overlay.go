package fleet

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/deploy"
	"github.com/fluxd/fluxd/pkg/install"
)

// Overlay returns what an overlay of deploy/ has the daemon started with: the flags, and
// the limit of its memory in bytes.
func Overlay(ctx context.Context, name string) (flags []string, limit int64, err error) {
	objects, err := install.Build(ctx, deploy.FS, "./overlays/"+name)
	if err != nil {
		return nil, 0, err
	}
	for _, obj := range objects {
		if obj.GetKind() != "Deployment" {
			continue
		}
		containers, _, _ := unstructured.NestedSlice(obj.Object, "spec", "template", "spec", "containers")
		if len(containers) != 1 {
			return nil, 0, fmt.Errorf("the Deployment of overlays/%s has %d containers", name, len(containers))
		}
		container, _ := containers[0].(map[string]any)
		flags, _, err = unstructured.NestedStringSlice(container, "args")
		if err != nil {
			return nil, 0, err
		}
		text, _, _ := unstructured.NestedString(container, "resources", "limits", "memory")
		quantity, err := resource.ParseQuantity(text)
		return flags, quantity.Value(), err
	}
	return nil, 0, errors.New("there is no Deployment")
}
