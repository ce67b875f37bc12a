package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/controlplane"
)

// Cluster is a control plane and a client with the admin's rights.
type Cluster struct {
	*controlplane.ControlPlane
	Dynamic dynamic.Interface
}

// The resources that tests look at.
var (
	ConfigMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	Events      = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	Namespaces  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	Services    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	Deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	Jobs        = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	Sources     = api.GitRepositoryGVR
	Kustomized  = api.KustomizationGVR
)

// Use returns a cluster with the CRDs of the source tree installed.
func Use(ctx context.Context, cp *controlplane.ControlPlane) (*Cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", cp.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("load the kubeconfig: %w", err)
	}
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{} // what tests do on purpose
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	c := &Cluster{ControlPlane: cp, Dynamic: client}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	if _, err := cp.Kubectl(ctx, "apply", "--server-side", "-k", filepath.Join(root, "deploy", "crds")); err != nil {
		return nil, fmt.Errorf("install the CRDs: %w", err)
	}
	_, err = cp.Kubectl(ctx, "wait", "--for=condition=Established", "--timeout=60s", "crd", "-l", "app.kubernetes.io/part-of=flux")
	return c, err
}

// Create creates the objects of a YAML stream, in order, and returns them.
func (c *Cluster) Create(ctx context.Context, manifests string) ([]*unstructured.Unstructured, error) {
	return c.create(ctx, manifests, metav1.CreateOptions{FieldManager: "test"})
}

// Validate has the API server validate the objects of a YAML stream as if they were
// created, and creates none. Fields that it does not know are an error.
func (c *Cluster) Validate(ctx context.Context, manifests string) ([]*unstructured.Unstructured, error) {
	return c.create(ctx, manifests, metav1.CreateOptions{
		FieldManager: "test", DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
}

func (c *Cluster) create(ctx context.Context, manifests string, options metav1.CreateOptions) ([]*unstructured.Unstructured, error) {
	var made []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096)
	for {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(&obj.Object); errors.Is(err, io.EOF) {
			return made, nil
		} else if err != nil {
			return made, fmt.Errorf("decode a manifest: %w", err)
		}
		if len(obj.Object) == 0 {
			continue
		}
		gvr, err := resourceOf(obj.GroupVersionKind())
		if err != nil {
			return made, err
		}
		created, err := c.in(gvr, obj.GetNamespace()).Create(ctx, obj, options)
		if err != nil {
			return made, fmt.Errorf("create %s %s: %w", obj.GetKind(), obj.GetName(), err)
		}
		made = append(made, created)
	}
}

// resourceOf returns the resource of the kinds that tests create.
func resourceOf(kind schema.GroupVersionKind) (schema.GroupVersionResource, error) {
	for _, r := range api.Resources() {
		if r.Kind == kind {
			return r.Name, nil
		}
	}
	switch kind.Kind {
	case "NetworkPolicy", "ValidatingAdmissionPolicy":
		return kind.GroupVersion().WithResource(strings.ToLower(strings.TrimSuffix(kind.Kind, "y")) + "ies"), nil
	}
	return kind.GroupVersion().WithResource(strings.ToLower(kind.Kind) + "s"), nil
}

func (c *Cluster) in(gvr schema.GroupVersionResource, namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return c.Dynamic.Resource(gvr)
	}
	return c.Dynamic.Resource(gvr).Namespace(namespace)
}

// Get returns an object.
func (c *Cluster) Get(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	return c.in(gvr, namespace).Get(ctx, name, metav1.GetOptions{})
}

// Patch sends a JSON merge patch as kubectl edit would.
func (c *Cluster) Patch(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string, patch any) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(patch)
	if err != nil {
		return nil, err
	}
	return c.in(gvr, namespace).Patch(ctx, name, types.MergePatchType, data, metav1.PatchOptions{FieldManager: "kubectl-edit"})
}

// Delete deletes an object.
func (c *Cluster) Delete(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string) error {
	return c.in(gvr, namespace).Delete(ctx, name, metav1.DeleteOptions{})
}

// Wait waits until an object is as is says; is gets nil while there is none.
// The error of a wait that ctx ended shows the object as it was last.
func (c *Cluster) Wait(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string, is func(*unstructured.Unstructured) bool) (*unstructured.Unstructured, error) {
	selector := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()}
	var last *unstructured.Unstructured
	for ctx.Err() == nil {
		list, err := c.in(gvr, namespace).List(ctx, selector)
		if err != nil {
			continue // the server is away; the caller's deadline decides
		}
		last = nil
		if len(list.Items) > 0 {
			last = &list.Items[0]
		}
		if is(last) {
			return last, nil
		}
		selector.ResourceVersion = list.GetResourceVersion()
		w, err := c.in(gvr, namespace).Watch(ctx, selector)
		selector.ResourceVersion = ""
		if err != nil {
			continue
		}
		if found, ok := follow(ctx, w, &last, is); ok {
			return found, nil
		}
	}
	text, _ := json.Marshal(last) // of an object that came as JSON
	return last, fmt.Errorf("wait for %s %s/%s: %w; it is %s", gvr.Resource, namespace, name, ctx.Err(), text)
}

func follow(ctx context.Context, w watch.Interface, last **unstructured.Unstructured, is func(*unstructured.Unstructured) bool) (*unstructured.Unstructured, bool) {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case event, open := <-w.ResultChan():
			obj, ok := event.Object.(*unstructured.Unstructured)
			if !open || !ok {
				return nil, false
			}
			*last = obj
			if event.Type == watch.Deleted {
				*last = nil
			}
			if is(*last) {
				return *last, true
			}
		}
	}
}
