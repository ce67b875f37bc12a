package kustomization

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
)

// sourceRef names the source of obj.
func sourceRef(obj *v1.Kustomization) reconcilers.Ref {
	ref := obj.Spec.SourceRef
	return reconcilers.NewRef(api.SourceV1.WithKind(ref.Kind).GroupKind(), cmp.Or(ref.Namespace, obj.Namespace), ref.Name)
}

// dependencyRef names one dependency of obj.
func dependencyRef(obj *v1.Kustomization, d api.DependencyReference) reconcilers.Ref {
	return reconcilers.NewRef(api.KustomizationGVK.GroupKind(), cmp.Or(d.Namespace, obj.Namespace), d.Name)
}

// usable returns the name of the source, if the object may use it.
func (p *pass) usable() (reconcilers.Ref, error) {
	ref := sourceRef(p.obj)
	if ref.Kind == "" {
		return ref, fault.Stalled(api.ReasonArtifactFailed, errors.New("spec.sourceRef.kind is empty"))
	}
	if p.options.NoCrossNamespaceRefs && ref.Namespace != p.obj.Namespace {
		return ref, fault.Stalled(api.ReasonAccessDenied, fmt.Errorf(
			"can't access '%s', cross-namespace references have been blocked", ref))
	}
	if ref.Kind == api.ExternalArtifactKind && p.options.Externals == nil {
		return ref, fault.Stalled(api.ReasonAccessDenied, fmt.Errorf(
			"can't access '%s', ExternalArtifact feature gate is disabled", ref))
	}
	return ref, nil
}

// source returns the artifact of the source.
func (p *pass) source() (*api.Artifact, error) {
	ref, err := p.usable()
	if err != nil {
		return nil, err
	}
	source, ok := p.objects.SourceOf(ref.GroupKind, ref.Namespace, ref.Name)
	_, other := p.objects.Get(ref.GroupKind, ref.Namespace, ref.Name)
	switch {
	case ok:
	case !other:
		err := fmt.Errorf("%s '%s/%s' not found", ref.Kind, ref.Namespace, ref.Name)
		return nil, &fault.WaitingError{Reason: api.ReasonArtifactFailed, Err: err, After: p.obj.GetRetryInterval(), Quiet: true}
	default:
		return nil, fault.Stalled(api.ReasonArtifactFailed, fmt.Errorf("source `%s` kind '%s' not supported", ref.Name, ref.Kind))
	}
	artifact := source.GetArtifact()
	if artifact == nil {
		//lint:ignore ST1005 the text is what people and tools know
		err := fmt.Errorf("Source artifact not found, retrying in %s", p.options.RequeueDependency)
		return nil, &fault.WaitingError{Reason: api.ReasonArtifactFailed, Err: err, After: p.options.RequeueDependency, Quiet: true}
	}
	p.revision, p.origin = artifact.Revision, artifact.OriginRevision()
	return artifact, nil
}

// dependencies waits for the first one that is not ready.
func (p *pass) dependencies(ctx context.Context, artifact *api.Artifact) error {
	if err := consumer.CheckReady(p.judges.Compiler, p.obj.Spec.DependsOn); err != nil {
		return err
	}
	for _, d := range p.obj.Spec.DependsOn {
		if err := p.dependency(ctx, d, artifact); err != nil {
			return &fault.WaitingError{Reason: api.ReasonDependencyNotReady, Err: err, After: p.options.RequeueDependency}
		}
	}
	return nil
}

func (p *pass) readiness() consumer.Readiness {
	return consumer.Readiness{Additive: p.options.AdditiveReadyExpr, Confined: p.options.NoCrossNamespaceRefs}
}

func (p *pass) dependency(ctx context.Context, dependency api.DependencyReference, artifact *api.Artifact) error {
	ref := dependencyRef(p.obj, dependency)
	name := ref.Namespace + "/" + ref.Name
	found, ok := p.objects.Get(ref.GroupKind, ref.Namespace, ref.Name)
	if !ok {
		return fmt.Errorf("dependency '%s' not found", name)
	}
	d, ok := found.(*v1.Kustomization)
	if !ok {
		return fmt.Errorf("dependency '%s' is not a Kustomization", name)
	}
	if err := p.readiness().Ready(ctx, p.judges.Compiler, dependency, p.obj, d); err != nil {
		return err
	}
	if dependency.ReadyExpr != "" && !p.options.AdditiveReadyExpr {
		return nil
	}
	if sourceRef(d) == sourceRef(p.obj) && d.Status.LastAppliedRevision != artifact.Revision {
		return fmt.Errorf("dependency '%s' revision is not up to date", name)
	}
	return nil
}
