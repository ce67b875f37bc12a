package helmrelease

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/consumer"
	"github.com/fluxd/fluxd/pkg/render/decrypt"
	"github.com/fluxd/fluxd/pkg/render/helm"
)

// providerSOPS is the one provider of decryption.
const providerSOPS = "sops"

// valuesFileRefs names what the annotation with files of values leads to. What is wrong
// with the annotation is said by the run.
func valuesFileRefs(obj *v2.HelmRelease) []reconcilers.Ref {
	files, err := helm.ParseValuesFiles(obj.Annotations[helm.ValuesFilesAnnotation])
	if err != nil {
		return nil
	}
	var refs []reconcilers.Ref
	for _, file := range files.Files {
		if file.SourceRef != nil {
			refs = append(refs, fileSource(obj, *file.SourceRef))
		}
	}
	if d := files.Decryption; d != nil && d.SecretRef != nil {
		refs = append(refs, reconcilers.NewRef(schema.GroupKind{Kind: secretKind}, obj.Namespace, d.SecretRef.Name))
	}
	return refs
}

func fileSource(obj *v2.HelmRelease, ref v1.CrossNamespaceSourceReference) reconcilers.Ref {
	return reconcilers.NewRef(api.SourceV1.WithKind(ref.Kind).GroupKind(), cmp.Or(ref.Namespace, obj.Namespace), ref.Name)
}

// files returns the values of the files that the annotation lists, nil if there are
// none.
func (p *pass) files(ctx context.Context) (map[string]any, error) {
	text, listed := p.obj.Annotations[helm.ValuesFilesAnnotation]
	if !listed {
		return nil, nil
	}
	files, err := helm.ParseValuesFiles(text)
	if err != nil {
		return nil, fault.Stalled(api.ReasonValuesError, fmt.Errorf("metadata.annotations[%s]: %w", helm.ValuesFilesAnnotation, err))
	}
	chart, err := p.loaded.Load(ctx, p.artifact.Digest, p.tree, p.memory)
	if err != nil {
		return nil, p.unloadable(ctx, err)
	}
	decrypter, err := p.decrypter(ctx, files.Decryption)
	if err != nil {
		return nil, err
	}
	var open []func()
	defer func() {
		for _, release := range open {
			release()
		}
	}()
	return files.Read(ctx, chart, func(_ context.Context, ref v1.CrossNamespaceSourceReference) (fs.FS, error) {
		tree, release, err := p.openFileSource(ref)
		if err != nil {
			return nil, err
		}
		open = append(open, release)
		return tree, nil
	}, decrypter)
}

// openFileSource opens the artifact of a source with files of values.
func (p *pass) openFileSource(ref v1.CrossNamespaceSourceReference) (*artifacts.Tree, func(), error) {
	named := fileSource(p.obj, ref)
	if err := p.mayUse(named.Kind, named.Namespace, named.Name); err != nil {
		return nil, nil, err
	}
	if named.Kind == api.ExternalArtifactKind && p.options.Externals == nil {
		return nil, nil, fault.Stalled(api.ReasonAccessDenied, fmt.Errorf("can't access '%s', ExternalArtifact feature gate is disabled", named))
	}
	source, ok := p.objects.SourceOf(named.GroupKind, named.Namespace, named.Name)
	if !ok {
		return nil, nil, p.notReady(named, "not found")
	}
	if why := unready(source); why != "" {
		return nil, nil, p.notReady(named, why)
	}
	return p.opener().Open(artifacts.Owner{Kind: named.Kind, Namespace: named.Namespace, Name: named.Name}, source.GetArtifact())
}

func (p *pass) opener() consumer.Opener {
	return consumer.Opener{
		Store: p.store, Externals: p.options.Externals, Requeue: p.options.RequeueDependency,
		NotFound: "Source not ready: artifact not found. Retrying in %s",
	}
}

// decrypter returns what decrypts the files, nil if nothing does.
func (p *pass) decrypter(ctx context.Context, d *v1.Decryption) (helm.Decrypter, error) {
	if d == nil {
		return nil, nil
	}
	at := fmt.Sprintf("metadata.annotations[%s].decryption", helm.ValuesFilesAnnotation)
	switch {
	case d.Provider != providerSOPS:
		return nil, fault.Stalled(api.ReasonValuesError, fmt.Errorf("%s.provider: %q is not supported", at, d.Provider))
	case d.ServiceAccountName != "" && !p.options.ObjectLevelIdentity:
		return nil, fault.Stalled(api.ReasonFeatureGateDisabled, fmt.Errorf("%s.serviceAccountName needs the feature gate ObjectLevelWorkloadIdentity", at))
	}
	secret := decrypt.Secret{}
	if d.SecretRef != nil {
		secret.Name = p.obj.Namespace + "/" + d.SecretRef.Name
		data, _, err := p.configs.Secret(ctx, p.obj.Namespace, d.SecretRef.Name)
		if err != nil && !apierrors.IsNotFound(err) {
			err = fmt.Errorf("cannot get %s decryption Secret '%s': %w", providerSOPS, secret.Name, err)
		}
		if err != nil {
			return nil, err
		}
		secret.Data = data
	}
	return decrypt.New(secret, decrypt.Access{
		Services: p.options.KeyServices, Kind: api.HelmReleaseKind, Namespace: p.obj.Namespace, Name: p.obj.Name,
		ServiceAccount: cmp.Or(d.ServiceAccountName, p.options.DecryptionAccount),
	}), nil
}
