package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
)

// bring brings the cluster to what the branch holds. A cluster that reads this branch
// and is well does so by itself: whatever was applied from here before it has read the
// new commit would be drift, and be reverted at once. To one that is not, everything is
// applied from here, while its Kustomization, if it has one, is suspended.
func (b *bootstrap) bring(ctx context.Context, s state) error {
	root, follows, err := b.follows(ctx, s)
	if err != nil {
		return err
	}
	if follows {
		b.progress.Step("the cluster follows the branch and applies it by itself")
		if err := b.secret(ctx); err != nil {
			return err
		}
		return b.await(ctx, s.revision)
	}
	if root != nil {
		if err := b.hold(ctx, root); err != nil {
			return err
		}
	}
	if err := b.apply(ctx, s); err != nil {
		return err
	}
	return b.await(ctx, s.revision)
}

// follows returns the root Kustomization, nil if there is none, and whether the cluster
// will find the branch without help: it has done so before, fluxd runs, and the source
// is the one that was asked for.
func (b *bootstrap) follows(ctx context.Context, s state) (root *unstructured.Unstructured, follows bool, err error) {
	name := b.options.Sync.Namespace
	if root, err = b.cluster.Get(ctx, api.KustomizationGVR, name, name); err != nil || root == nil {
		return nil, false, err
	}
	applied, _, _ := unstructured.NestedString(root.Object, "status", "lastAppliedRevision")
	if applied == "" || b.held(root) {
		return root, false, nil
	}
	source, err := b.cluster.Get(ctx, api.GitRepositoryGVR, name, name)
	if err != nil || source == nil {
		return root, false, err
	}
	for _, wanted := range s.objects.Of(api.GitRepositoryKind) {
		if wanted.GetName() == name && !within(wanted.Object["spec"], source.Object["spec"]) {
			return root, false, nil
		}
	}
	runs, err := b.cluster.Runs(ctx, name)
	return root, runs, err
}

// within says whether every field that is wanted is there with its value.
func within(wanted, there any) bool {
	fields, ok := wanted.(map[string]any)
	if !ok {
		return reflect.DeepEqual(wanted, there)
	}
	others, _ := there.(map[string]any)
	for name, value := range fields {
		if !within(value, others[name]) {
			return false
		}
	}
	return true
}

// annotationHeld marks a Kustomization that a bootstrap has suspended, so that the next
// one knows if this one does not come to its end.
const annotationHeld = api.AnnotationPrefix + "held-by-bootstrap"

func (b *bootstrap) held(root *unstructured.Unstructured) bool {
	return root.GetAnnotations()[annotationHeld] != ""
}

// hold suspends the root Kustomization. One that somebody else has suspended stays
// theirs.
func (b *bootstrap) hold(ctx context.Context, root *unstructured.Unstructured) error {
	if suspended, _, _ := unstructured.NestedBool(root.Object, "spec", "suspend"); suspended && !b.held(root) {
		return nil
	}
	b.progress.Step("holding the Kustomization while it is changed")
	return b.patchRoot(ctx, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationHeld: "true"}}, "spec": map[string]any{"suspend": true},
	})
}

// letGo resumes what hold has suspended.
func (b *bootstrap) letGo(ctx context.Context) error {
	name := b.options.Sync.Namespace
	root, err := b.cluster.Get(ctx, api.KustomizationGVR, name, name)
	if err != nil || root == nil || !b.held(root) {
		return err
	}
	return b.patchRoot(ctx, map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationHeld: nil}}, "spec": map[string]any{"suspend": nil},
	})
}

func (b *bootstrap) patchRoot(ctx context.Context, patch map[string]any) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	name := b.options.Sync.Namespace
	_, err = b.cluster.In(api.KustomizationGVR, name).Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("suspend or resume the Kustomization %s/%s: %w", name, name, err)
	}
	return nil
}

// apply brings what the branch holds to the cluster, and the credentials.
func (b *bootstrap) apply(ctx context.Context, s state) error {
	namespace := b.options.Sync.Namespace
	owner := &apply.Owner{Namespace: namespace, Name: namespace}
	b.progress.Step("applying the manifests")
	first := s.objects.Of("CustomResourceDefinition", "Namespace")
	changes, err := b.cluster.Apply(ctx, owner, first)
	b.progress.Changes(changes)
	if err != nil {
		return err
	}
	if err := b.secret(ctx); err != nil {
		return err
	}
	changes, err = b.cluster.Apply(ctx, owner, s.objects)
	b.progress.Changes(slices.DeleteFunc(changes, func(c apply.Change) bool {
		return c.Kind == "CustomResourceDefinition" || c.Kind == "Namespace" // told
	}))
	return err
}
