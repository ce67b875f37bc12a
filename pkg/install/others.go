package install

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/kube"
)

// components are the controllers of Flux that fluxd takes the place of. Each holds a
// Lease of its name.
var components = append(Served(), "notification-controller", "image-reflector-controller", "image-automation-controller", "source-watcher")

const (
	leaseSuffix = "-leader-election"
	// ownLease is how the names of the Leases of fluxd begin.
	ownLease = program + leaseSuffix
)

// Other is a controller that looks after objects of Flux, beside the fluxd of a
// namespace.
type Other struct {
	Namespace, Name string
	// Sign is what tells that it runs.
	Sign string
	// Leaving says that its Deployment is to have no Pods: it is about to end.
	Leaving bool
}

// String returns namespace/name and the sign.
func (o Other) String() string { return o.Namespace + "/" + o.Name + " (" + o.Sign + ")" }

// OthersError refuses to put fluxd beside other controllers.
type OthersError struct{ Others []Other }

// Error tells who is there and what to do.
func (e *OthersError) Error() string {
	var stop []string
	for _, o := range e.Others {
		which := fmt.Sprintf("-l %s=%s,%s!=%s", labelPartOf, partOf, labelComponent, program)
		if o.Name == program {
			which = program
		}
		stop = append(stop, fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=0", o.Namespace, which))
	}
	slices.Sort(stop)
	stop = slices.Compact(stop)
	return "other controllers look after this cluster: " + e.names() +
		"; two that write the same objects undo each other's work. To move the cluster to fluxd, stop them first: " +
		strings.Join(stop, "; ") + "; or go on with --force if they look after other objects"
}

func (e *OthersError) names() string {
	var names []string
	for _, o := range e.Others {
		names = append(names, o.String())
	}
	return strings.Join(names, ", ")
}

// Others returns the controllers that run beside the fluxd of a namespace: those of
// Flux, by their Deployments and by the Leases that they keep alive, and other fluxds.
// What may not be read is not found.
func (c *Cluster) Others(ctx context.Context, namespace string) ([]Other, error) {
	found, resting, err := c.running(ctx, namespace)
	if err != nil {
		return nil, err
	}
	held, err := c.holders(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	for _, o := range held {
		if !slices.ContainsFunc(found, func(f Other) bool { return f.Namespace == o.Namespace && f.Name == o.Name }) {
			o.Leaving = resting[o.Namespace+"/"+o.Name]
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b Other) int { return strings.Compare(a.String(), b.String()) })
	return found, nil
}

// gone is [Cluster.Others] once those have ended that are about to, or when ctx ends, unless
// force or a dry run is in a hurry. A controller that is stopped may take its time, and keeps
// its Lease meanwhile.
func (c *Cluster) gone(ctx context.Context, namespace string, force bool, p Progress) ([]Other, error) {
	told := false
	for {
		others, err := c.Others(ctx, namespace)
		stays := func(o Other) bool { return !o.Leaving }
		if err != nil || force || c.DryRun || len(others) == 0 || slices.ContainsFunc(others, stays) {
			return others, err
		}
		if !told {
			p.Step("waiting for the end of %s", (&OthersError{others}).names())
			told = true
		}
		if !kube.Pause(ctx, recheck) {
			return others, nil
		}
	}
}

// running returns the controllers whose Deployments have Pods, and which Deployments are to
// have none, as namespace/name.
func (c *Cluster) running(ctx context.Context, namespace string) (found []Other, resting map[string]bool, err error) {
	items, err := c.list(ctx, deployments, "", labelPartOf+"="+partOf)
	if apierrors.IsForbidden(err) {
		items, err = c.list(ctx, deployments, namespace, labelPartOf+"="+partOf)
	}
	if err != nil {
		return nil, nil, err
	}
	resting = make(map[string]bool)
	for i := range items {
		d := &items[i]
		component := d.GetLabels()[labelComponent]
		ours := component == program && (d.GetNamespace() == namespace)
		rests := atRest(d)
		resting[d.GetNamespace()+"/"+d.GetName()] = rests
		if ours || component != program && !slices.Contains(components, component) || scaledDown(d) {
			continue
		}
		found = append(found, Other{Namespace: d.GetNamespace(), Name: d.GetName(), Sign: "its Deployment has replicas", Leaving: rests})
	}
	return found, resting, nil
}

// scaledDown says whether a Deployment is to have no Pods and has none.
func scaledDown(d *unstructured.Unstructured) bool {
	there, _, _ := unstructured.NestedInt64(d.Object, "status", "replicas")
	return atRest(d) && there == 0
}

// atRest says whether a Deployment is to have no Pods. Those that it had may still be ending.
func atRest(d *unstructured.Unstructured) bool {
	wanted, set, _ := unstructured.NestedInt64(d.Object, "spec", "replicas")
	return set && wanted == 0
}

// holders returns the controllers that keep their Leases alive.
func (c *Cluster) holders(ctx context.Context, now time.Time) ([]Other, error) {
	items, err := c.list(ctx, leases, "", "")
	if apierrors.IsForbidden(err) {
		return nil, nil // the Deployments tell most of it
	}
	if err != nil {
		return nil, err
	}
	ours := make(map[string]bool)
	for i := range items {
		if strings.HasPrefix(items[i].GetName(), ownLease) {
			holder, _, _ := unstructured.NestedString(items[i].Object, "spec", "holderIdentity")
			ours[holder] = true
		}
	}
	var found []Other
	for i := range items {
		l := &items[i]
		component, _, isLease := strings.Cut(l.GetName(), leaseSuffix)
		holder, _, _ := unstructured.NestedString(l.Object, "spec", "holderIdentity")
		if !isLease || !slices.Contains(components, component) || ours[holder] || strings.HasPrefix(holder, program) || !alive(l, now) {
			continue
		}
		found = append(found, Other{Namespace: l.GetNamespace(), Name: component, Sign: "the Lease " + l.GetName() + " is held by " + holder})
	}
	return found, nil
}

// alive says whether a Lease has a holder that renewed it in time.
func alive(lease *unstructured.Unstructured, now time.Time) bool {
	holder, _, _ := unstructured.NestedString(lease.Object, "spec", "holderIdentity")
	seconds, _, _ := unstructured.NestedInt64(lease.Object, "spec", "leaseDurationSeconds")
	renewed, _, _ := unstructured.NestedString(lease.Object, "spec", "renewTime")
	at, err := time.Parse(time.RFC3339Nano, renewed)
	return holder != "" && err == nil && now.Before(at.Add(time.Duration(seconds)*time.Second))
}

// IsComponent says whether a name is that of a controller of Flux.
func IsComponent(name string) bool { return slices.Contains(components, name) }
