package install

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/kube"
)

// served are the controllers whose kinds fluxd serves. Their Deployments may be there at
// rest, and what they are told counts for fluxd.
var served = []string{api.ComponentSource, api.ComponentKustomize, api.ComponentHelm}

// Served returns the names of the Flux controllers whose kinds fluxd serves.
func Served() []string { return slices.Clone(served) }

// container is the one that runs a controller, by the manifests of Flux.
const container = "manager"

// Controller is what the Deployment of a Flux controller says of its process.
type Controller struct {
	Namespace, Name string
	// Args are those of the process, with references to variables replaced as the
	// kubelet does.
	Args []string
	// Env are the variables by name. One that does not stand there but comes from
	// another object has no value.
	Env map[string]string
	// Volumes are the names of those that are mounted.
	Volumes []string
	// Account is the ServiceAccount of the process, and Identity those of its annotations
	// by which clouds know it, which [Check] looks up.
	Account  string
	Identity map[string]string
	// Restarted is by whom and when a restart was asked for: kubectl rollout restart
	// writes it.
	Restarted string
}

// String returns namespace/name.
func (c Controller) String() string { return c.Namespace + "/" + c.Name }

// Same says whether the process would be started in the same way.
func (c Controller) Same(other Controller) bool {
	return c.Namespace == other.Namespace && c.Name == other.Name && c.Restarted == other.Restarted &&
		slices.Equal(c.Args, other.Args) && maps.Equal(c.Env, other.Env)
}

// annotationRestarted is what kubectl rollout restart changes.
const annotationRestarted = "kubectl.kubernetes.io/restartedAt"

// ReadController returns what a Deployment says. One that has no container by the name
// that Flux gives it is an error: what it says cannot be known.
func ReadController(d *unstructured.Unstructured) (Controller, error) {
	c := Controller{Namespace: d.GetNamespace(), Name: d.GetName(), Env: map[string]string{}}
	c.Account, _, _ = unstructured.NestedString(d.Object, "spec", "template", "spec", "serviceAccountName")
	annotations, _, _ := unstructured.NestedStringMap(d.Object, "spec", "template", "metadata", "annotations")
	c.Restarted = annotations[annotationRestarted]
	containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
	for _, item := range containers {
		m, ok := item.(map[string]any)
		if !ok || m["name"] != container {
			continue
		}
		c.readEnv(m)
		args, _, err := unstructured.NestedStringSlice(m, "args")
		if err != nil {
			return c, fmt.Errorf("the Deployment %s: %w", c, err)
		}
		for _, arg := range args {
			c.Args = append(c.Args, expand(arg, c.Env))
		}
		mounts, _, _ := unstructured.NestedSlice(m, "volumeMounts")
		for _, mount := range mounts {
			if v, ok := mount.(map[string]any); ok {
				c.Volumes = append(c.Volumes, fmt.Sprint(v["name"]))
			}
		}
		return c, nil
	}
	return c, fmt.Errorf("the Deployment %s has no container %q: its arguments cannot be known", c, container)
}

func (c *Controller) readEnv(container map[string]any) {
	env, _, _ := unstructured.NestedSlice(container, "env")
	for _, item := range env {
		v, ok := item.(map[string]any)
		if !ok {
			continue
		}
		name, value := fmt.Sprint(v["name"]), ""
		if text, ok := v["value"].(string); ok {
			value = expand(text, c.Env)
		}
		if path, _, _ := unstructured.NestedString(v, "valueFrom", "fieldRef", "fieldPath"); path == "metadata.namespace" {
			value = c.Namespace
		}
		c.Env[name] = value
	}
}

// expand replaces $(NAME) by the value of a variable, where there is one, and $$ by $,
// as the kubelet does with arguments.
func expand(text string, env map[string]string) string {
	var out strings.Builder
	for len(text) > 0 {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			break
		}
		text = rest
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		value, known := env[name]
		switch {
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			text = rest[1:]
		case strings.HasPrefix(rest, "(") && closed && known:
			out.WriteString(value)
			text = after
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

// Controllers returns what the Deployments of Flux controllers in a namespace say whose
// kinds fluxd serves, whether they run or not, in the order of their names, and the
// version of the list for a watch.
func (c *Cluster) Controllers(ctx context.Context, namespace string) ([]Controller, string, error) {
	list, err := c.In(deployments, namespace).List(ctx, metav1.ListOptions{LabelSelector: labelPartOf + "=" + partOf})
	if err != nil {
		return nil, "", fmt.Errorf("read the Deployments of the Flux controllers: %w", err)
	}
	objects := make(Objects, len(list.Items))
	for i := range list.Items {
		objects[i] = &list.Items[i]
	}
	found, err := objects.Controllers()
	return found, list.GetResourceVersion(), err
}

// Controllers returns what the Deployments of Flux controllers among the objects say,
// see [Cluster.Controllers].
func (objects Objects) Controllers() ([]Controller, error) {
	var found []Controller
	for _, obj := range objects.Of("Deployment") {
		if !slices.Contains(served, obj.GetName()) || obj.GetLabels()[labelPartOf] != partOf {
			continue
		}
		one, err := ReadController(obj)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	slices.SortFunc(found, func(a, b Controller) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// rewatch is after how long a watch is begun anew that told nothing. The API server ends
// each after a while anyway.
const rewatch = time.Hour

// WatchControllers calls tell whenever what [Cluster.Controllers] returns may have
// changed since a version of it, until tell returns false or ctx ends. What the API
// server does not answer is asked again.
func (c *Cluster) WatchControllers(ctx context.Context, namespace, version string, tell func([]Controller, error) bool) {
	for ctx.Err() == nil {
		c.touched(ctx, namespace, version)
		found, next, err := c.Controllers(ctx, namespace)
		if ctx.Err() != nil {
			return
		}
		if next == "" { // nobody answered
			kube.Pause(ctx, relook)
			continue
		}
		version = next
		if !tell(found, err) {
			return
		}
	}
}

// touched waits until the Deployment of a controller was written or deleted since a
// version of their list, or may have been.
func (c *Cluster) touched(ctx context.Context, namespace, version string) {
	ctx, cancel := context.WithTimeout(ctx, rewatch)
	defer cancel()
	w, err := c.In(deployments, namespace).Watch(ctx, metav1.ListOptions{LabelSelector: labelPartOf + "=" + partOf, ResourceVersion: version})
	if err != nil {
		kube.Pause(ctx, relook)
		return
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-w.ResultChan():
			obj, ok := event.Object.(*unstructured.Unstructured)
			if event.Type == watch.Error || !ok { // it has ended
				kube.Pause(ctx, time.Second)
				return
			}
			if slices.Contains(served, obj.GetName()) {
				return
			}
		}
	}
}
