package helmrelease

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
	"github.com/fluxd/fluxd/pkg/render/helm"
)

// sourceRef names the source of the chart, and says whether there is one.
func sourceRef(obj *v2.HelmRelease) (reconcilers.Ref, bool) {
	switch {
	case obj.Spec.Chart != nil:
		return reconcilers.NewRef(api.HelmChartGVK.GroupKind(), obj.Spec.Chart.GetNamespace(obj.Namespace), obj.GetHelmChartName()), true
	case obj.Spec.ChartRef != nil:
		ref := obj.Spec.ChartRef
		return reconcilers.NewRef(api.SourceV1.WithKind(ref.Kind).GroupKind(), cmp.Or(ref.Namespace, obj.Namespace), ref.Name), true
	}
	return reconcilers.Ref{}, false
}

// dependencyRef names one dependency of obj.
func dependencyRef(obj *v2.HelmRelease, d api.DependencyReference) reconcilers.Ref {
	return reconcilers.NewRef(api.HelmReleaseGVK.GroupKind(), cmp.Or(d.Namespace, obj.Namespace), d.Name)
}

// mayUse stalls the object on an object of another namespace where that is forbidden.
func (p *pass) mayUse(kind, namespace, name string) error {
	if !p.options.NoCrossNamespaceRefs || namespace == p.obj.Namespace {
		return nil
	}
	return fault.Stalled(api.ReasonAccessDenied, fmt.Errorf(
		"cross-namespace references are not allowed: cannot access %s %s/%s", kind, namespace, name))
}

// dependencies waits for the first one that is not ready.
func (p *pass) dependencies(ctx context.Context) error {
	if err := consumer.CheckReady(p.judges.Compiler, p.obj.Spec.DependsOn); err != nil {
		return err
	}
	for _, d := range p.obj.Spec.DependsOn {
		if err := p.dependency(ctx, d); err != nil {
			return &fault.WaitingError{Reason: api.ReasonDependencyNotReady, Err: err, After: p.options.RequeueDependency}
		}
	}
	return nil
}

func (p *pass) readiness() consumer.Readiness {
	return consumer.Readiness{Additive: p.options.AdditiveReadyExpr, Confined: p.options.NoCrossNamespaceRefs}
}

func (p *pass) dependency(ctx context.Context, dependency api.DependencyReference) error {
	ref := dependencyRef(p.obj, dependency)
	name := ref.Namespace + "/" + ref.Name
	found, _ := p.objects.Get(ref.GroupKind, ref.Namespace, ref.Name)
	d, ok := found.(*v2.HelmRelease)
	if !ok {
		return fmt.Errorf("unable to get '%s' dependency: not found", name)
	}
	return p.readiness().Ready(ctx, p.judges.Compiler, dependency, p.obj, d)
}

// source finds the chart's artifact and opens it.
func (p *pass) source(context.Context) error {
	ref, _ := sourceRef(p.obj)
	if err := p.mayUse(ref.Kind, ref.Namespace, ref.Name); err != nil {
		return err
	}
	if ref.Kind == api.ExternalArtifactKind && p.options.Externals == nil {
		return fault.Stalled(api.ReasonAccessDenied, fmt.Errorf("can't access '%s', ExternalArtifact feature gate is disabled", ref))
	}
	source, ok := p.objects.SourceOf(ref.GroupKind, ref.Namespace, ref.Name)
	if !ok {
		if p.made(ref) {
			return p.notReady(ref, "does not have an artifact")
		}
		err := fmt.Errorf("could not get Source object: %s '%s/%s' not found", ref.Kind, ref.Namespace, ref.Name)
		return &fault.WaitingError{Reason: api.ReasonArtifactFailed, Err: err, After: p.options.RequeueDependency}
	}
	if why := unready(source); why != "" {
		return p.notReady(ref, why)
	}
	p.artifact = source.GetArtifact()
	return p.open(ref)
}

// made says whether a reference is to the HelmChart that was made for the object, which
// the cache may not have heard of yet.
func (p *pass) made(ref reconcilers.Ref) bool {
	return p.obj.Spec.Chart != nil && p.obj.Status.HelmChart == ref.Namespace+"/"+ref.Name
}

func (p *pass) notReady(ref reconcilers.Ref, why string) error {
	err := fmt.Errorf("%s '%s/%s' is not ready: %s", ref.Kind, ref.Namespace, ref.Name, why)
	return &fault.WaitingError{Reason: api.ReasonSourceNotReady, Err: err, After: p.options.RequeueDependency, Quiet: true}
}

// unready returns why a source cannot be used, or nothing. One that is not ready and
// has an artifact can be, if it is for the present generation.
func unready(source api.Source) string {
	if obj, ok := source.(api.Object); ok && source.GetObjectKind().GroupVersionKind().Kind != api.ExternalArtifactKind {
		list := obj.GetConditions()
		ready, stalled := conditions.Get(list, api.ConditionReady), conditions.Get(list, api.ConditionStalled)
		switch {
		case obj.GetGeneration() != obj.GetObservedGeneration():
			if ready != nil && ready.Status == metav1.ConditionFalse {
				return ready.Message
			}
			return "latest generation of object has not been reconciled"
		case stalled != nil && stalled.Status == metav1.ConditionTrue:
			return stalled.Message
		}
	}
	if source.GetArtifact() == nil {
		return "does not have an artifact"
	}
	return ""
}

// open opens the artifact, which stays in memory until the pass ends.
func (p *pass) open(ref reconcilers.Ref) error {
	owner := artifacts.Owner{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
	tree, release, err := p.opener().Open(owner, p.artifact)
	if err != nil {
		return err
	}
	p.tree, p.release = tree, release
	return nil
}

// identify finds out what the chart is, and its version in the release: that of a chart
// from a registry tells the digest.
func (p *pass) identify(ctx context.Context) error {
	id, err := p.loaded.Identity(ctx, p.artifact.Digest, p.tree, p.memory)
	if err != nil {
		return p.unloadable(ctx, err)
	}
	p.id, p.version = id, id.Version
	p.want.chartName, p.want.chartDigest = id.Name, ""
	ref, _ := sourceRef(p.obj)
	mutable := ref.Kind == api.OCIRepositoryKind || ref.Kind == api.ExternalArtifactKind && strings.Contains(p.artifact.Revision, ":")
	if mutable {
		p.version, p.want.chartDigest, err = helm.MutateVersion(id.Version, p.artifact.Revision, !p.options.IgnoreChartDigests)
		if err != nil {
			return fault.Backoff(api.ReasonChartMutateError, err)
		}
	}
	p.want.chartVersion = p.version
	p.want.postRenderers, p.want.commonMetadata = specDigests(p.obj)
	return nil
}

func (p *pass) unloadable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	//lint:ignore ST1005 the text is what people and tools know
	return fault.Backoff(api.ReasonArtifactFailed, fmt.Errorf("Could not load chart: %w", err))
}
