package consumer

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// KubeConfigRefs names what leads objects of a namespace to another cluster.
func KubeConfigRefs(namespace string, k *api.KubeConfigReference) []reconcilers.Ref {
	if k == nil {
		return nil
	}
	var refs []reconcilers.Ref
	if k.SecretRef != nil {
		refs = append(refs, reconcilers.NewRef(schema.GroupKind{Kind: "Secret"}, namespace, k.SecretRef.Name))
	}
	if k.ConfigMapRef != nil {
		refs = append(refs, reconcilers.NewRef(schema.GroupKind{Kind: "ConfigMap"}, namespace, k.ConfigMapRef.Name))
	}
	return refs
}
