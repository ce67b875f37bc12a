package install

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fluxd/fluxd/pkg/api/scheme"
	"github.com/fluxd/fluxd/pkg/kube"
)

// Cluster is the API server that fluxd is or will be installed at.
type Cluster struct {
	*kube.Clients
	// Host is its address, for people.
	Host string
	// DryRun says that nothing is written, whatever is asked for.
	DryRun bool
}

// Connect opens the connection that config describes; kube.Load makes one. With dryRun
// every write is one that the API server only pretends to do.
func Connect(config *rest.Config, dryRun bool) (*Cluster, error) {
	if dryRun {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return pretender{next} })
	}
	clients, err := kube.NewClients(config, scheme.New())
	if err != nil {
		return nil, err
	}
	return &Cluster{Clients: clients, Host: config.Host, DryRun: dryRun}, nil
}

// pretender turns every write into a dry run.
type pretender struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (p pretender) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		req = req.Clone(req.Context()) // a RoundTripper must not change what it is given
		query := req.URL.Query()
		query.Set("dryRun", metav1.DryRunAll)
		req.URL.RawQuery = query.Encode()
	}
	return p.next.RoundTrip(req)
}

// The resources that an installation consists of, beside those that kinds are looked
// up for.
var (
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	namespaces  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	leases      = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// In returns the objects of a resource in a namespace, empty for those without one.
func (c *Cluster) In(gvr schema.GroupVersionResource, namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return c.Dynamic.Resource(gvr)
	}
	return c.Dynamic.Resource(gvr).Namespace(namespace)
}

// Get returns an object, nil if there is none, or no such kind.
func (c *Cluster) Get(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	obj, err := c.In(gvr, namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", gvr.Resource, name, err)
	}
	return obj, nil
}

// list returns the objects of a resource, none if there is no such kind.
func (c *Cluster) list(ctx context.Context, gvr schema.GroupVersionResource, namespace, selector string) ([]unstructured.Unstructured, error) {
	found, err := c.In(gvr, namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", gvr.Resource, err)
	}
	return found.Items, nil
}

// relook is after how long an object is read again although no watch has told of it.
const relook = 10 * time.Second

// Await reads an object until is says that it is as wanted, which is asked again at
// every change. is gets nil while there is none. An error of is ends the wait.
func (c *Cluster) Await(ctx context.Context, gvr schema.GroupVersionResource, namespace, name string, is func(*unstructured.Unstructured) (bool, error)) error {
	for {
		options := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()}
		found, err := c.In(gvr, namespace).List(ctx, options)
		if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil && !transient(err) {
			return fmt.Errorf("read %s %s: %w", gvr.Resource, name, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var obj *unstructured.Unstructured
		version := ""
		if err == nil {
			version = found.GetResourceVersion()
			if len(found.Items) > 0 {
				obj = &found.Items[0]
			}
		}
		if ok, err := is(obj); ok || err != nil {
			return err
		}
		options.ResourceVersion = version
		c.change(ctx, gvr, namespace, options)
	}
}

// change returns when an object has changed, or may have.
func (c *Cluster) change(ctx context.Context, gvr schema.GroupVersionResource, namespace string, options metav1.ListOptions) {
	ctx, cancel := context.WithTimeout(ctx, relook)
	defer cancel()
	if options.ResourceVersion == "" { // there is nothing to watch yet
		kube.Pause(ctx, time.Second)
		return
	}
	w, err := c.In(gvr, namespace).Watch(ctx, options)
	if err != nil {
		kube.Pause(ctx, time.Second)
		return
	}
	defer w.Stop()
	select {
	case <-ctx.Done():
	case event := <-w.ResultChan():
		if event.Type == watch.Error || event.Type == "" {
			kube.Pause(ctx, time.Second)
		}
	}
}

// transient says whether asking again may help.
func transient(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return !ok || slices.Contains([]metav1.StatusReason{
		metav1.StatusReasonTimeout, metav1.StatusReasonServerTimeout, metav1.StatusReasonTooManyRequests,
		metav1.StatusReasonServiceUnavailable, metav1.StatusReasonInternalError, metav1.StatusReasonExpired,
	}, status.Status().Reason)
}
