package main

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/test/harness"
)

// foreign are the kinds without which the notification-controller does not start. No
// scenario has objects of them, and so their schemas do not matter.
var foreign = []struct{ kind, version string }{{"Alert", "v1beta3"}, {"Provider", "v1beta3"}, {"Receiver", "v1"}}

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// defineForeign defines those of the kinds that are not defined.
func (b *bench) defineForeign(ctx context.Context) error {
	for _, f := range foreign {
		plural := strings.ToLower(f.kind) + "s"
		name := plural + ".notification.toolkit.fluxcd.io"
		_, err := b.cluster.Create(ctx, fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %s}
spec:
  group: notification.toolkit.fluxcd.io
  scope: Namespaced
  names: {kind: %s, listKind: %sList, plural: %s, singular: %s}
  versions:
    - name: %s
      served: true
      storage: true
      subresources: {status: {}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`, name, f.kind, f.kind, plural, strings.ToLower(f.kind), f.version))
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		if _, err := b.cluster.Wait(ctx, definitions, "", name, harness.Established); err != nil {
			return err
		}
	}
	return nil
}
