package helmchart

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/helm"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/transport"
)

// registry is how to reach the charts of a HelmRepository of the type oci.
type registry struct {
	url     string
	options oci.Options
	limits  helm.Limits
	// key is a digest of the credentials: whoever has the same may read the same.
	key string
}

// registry reads the Secrets of a HelmRepository. Errors are classified.
func (a *one) registry(ctx context.Context, source *v1.HelmRepository) (*registry, error) {
	before := fmt.Sprintf("HelmRepository '%s': ", source.Name)
	r := &registry{url: strings.TrimRight(source.Spec.URL, "/"), limits: a.options.Limits}
	name, err := oci.ParseName(r.url)
	if err != nil {
		return nil, a.fetchStalled(api.ReasonURLInvalid, before+"spec.url", err)
	}
	certificates, err := a.Certificates(ctx, before+"spec.certSecretRef", source.Spec.CertSecretRef)
	if err != nil {
		return nil, err
	}
	r.options.Keychain, r.key, err = a.keychain(ctx, before, source, name)
	if err != nil {
		return nil, err
	}
	t := a.Transport(transport.Options{TLS: certificates})
	a.later(t.Close)
	r.options.Transport, r.options.Memory, r.options.Tokens = t, a.memory, a.tokens
	r.options.Insecure = source.Spec.Insecure
	r.options.Limits = artifacts.Limits{Bytes: r.limits.ArchiveBytes()}
	return r, nil
}

// keychain returns the credentials of a HelmRepository: those of its Secret, or else
// those that its provider gives to this process.
func (a *one) keychain(ctx context.Context, before string, source *v1.HelmRepository, name oci.Name) (oci.Keychain, string, error) {
	if source.Spec.SecretRef != nil {
		secret, err := a.Secret(ctx, before+"spec.secretRef", source.Spec.SecretRef)
		if err != nil {
			return nil, "", err
		}
		keychain, err := keychainOf(secret, name)
		if err != nil {
			return nil, "", a.AuthFailed(ctx, fmt.Errorf("%s: %w", secret.Where, err))
		}
		return keychain, attempt.DigestOf(secret.Data), nil
	}
	provider := source.GetProvider()
	if provider == v1.OCIProviderGeneric {
		return nil, "", nil
	}
	login, err := a.Clouds.Registry(ctx, a.Identity(provider, "", nil), name.String())
	if err != nil {
		return nil, "", a.IdentityFailed(ctx, fmt.Errorf("%sspec.provider: %w", before, err))
	}
	return oci.Static(name.Registry, oci.Credential{Username: login.Username, Password: login.Password}), provider, nil
}

// pullSecret is the type of Secrets with the configuration of Docker.
const pullSecret = "kubernetes.io/dockerconfigjson"

// keychainOf returns the credentials in a Secret, nil if it has none.
func keychainOf(secret attempt.Secret, name oci.Name) (oci.Keychain, error) {
	if secret.Type == pullSecret {
		keychain, err := oci.ParsePullSecret(secret.Data)
		if err != nil {
			return nil, err
		}
		if !keychain.Has(name.Registry) {
			return nil, fmt.Errorf("it has no credentials for the registry '%s'", name.Registry)
		}
		return keychain, nil
	}
	username, password, err := attempt.BasicAuth(secret.Data)
	if err != nil || username == "" && password == "" {
		return nil, err
	}
	return oci.Static(name.Registry, oci.Credential{Username: username, Password: password}), nil
}

// chart opens the repository of one chart.
func (r *registry) chart(name string) (*oci.Repository, error) {
	return oci.Open(r.url+"/"+name, r.options)
}

// pick finds the version that is wanted. A complete version costs no request.
func pick(ctx context.Context, repository *oci.Repository, version string) (tag, found string, err error) {
	if helm.IsVersion(version) {
		return strings.ReplaceAll(version, "+", "_"), version, nil
	}
	tag, err = repository.Pick(ctx, oci.Ref{SemVer: cmp.Or(version, "*"), Chart: true})
	return tag, strings.ReplaceAll(tag, "_", "+"), err
}

// layer finds the archive of a chart in a manifest.
func (r *registry) layer(ctx context.Context, repository *oci.Repository, sum string) (oci.Descriptor, error) {
	manifest, err := repository.Manifest(ctx, sum)
	if err != nil {
		return oci.Descriptor{}, err
	}
	layer, err := manifest.Layer(oci.HelmLayer)
	if limit := r.limits.ArchiveBytes(); err == nil && layer.Size > limit {
		return layer, fmt.Errorf("%w: it has %d bytes, more than the %d that are accepted", helm.ErrTooLarge, layer.Size, limit)
	}
	return layer, err
}

// registryFailed classifies an error of a registry.
func (a *one) registryFailed(ctx context.Context, err error) error {
	if errors.Is(err, oci.ErrAuth) {
		return a.fetchFailed(ctx, api.ReasonAuthenticationFailed, pullError, err)
	}
	return a.pullFailed(ctx, err)
}

// fromRegistry gets the chart from a registry.
func (a *one) fromRegistry(ctx context.Context, source *v1.HelmRepository) (*made, error) {
	if err := a.checkName(); err != nil {
		return nil, err
	}
	r, err := a.registry(ctx, source)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, source.GetTimeout())
	defer cancel()
	repository, err := r.chart(a.obj.Spec.Chart)
	if err != nil {
		return nil, a.fetchStalled(api.ReasonInvalidChartReference, invalidReference, err)
	}
	tag, version, err := pick(ctx, repository, a.want().Version)
	if err != nil {
		return nil, a.registryFailed(ctx, fmt.Errorf("failed to get chart version for remote reference: %w", err))
	}
	sum := ""
	if a.obj.Spec.Verify != nil {
		if sum, err = repository.Digest(ctx, tag); err != nil {
			return nil, a.registryFailed(ctx, err)
		}
		if err := a.verify(ctx, repository, sum, version); err != nil {
			return nil, err
		}
	}
	return a.fromTag(ctx, r, repository, tag, version, sum)
}

// fromTag gets the chart of a tag, whose digest may be known.
func (a *one) fromTag(ctx context.Context, r *registry, repository *oci.Repository, tag, version, sum string) (*made, error) {
	metadata := a.metadata("")
	version, err := a.version(version, metadata)
	if err != nil {
		return nil, err
	}
	m := &made{Identity: helm.Identity{Name: a.obj.Spec.Chart, Version: version}}
	if stored, ok := a.upToDate(m.Identity, metadata != ""); ok {
		return stored, nil
	}
	failed := func(err error) error {
		return a.registryFailed(ctx, fmt.Errorf("failed to download chart for remote reference: %w", err))
	}
	if sum == "" {
		if sum, err = repository.Digest(ctx, tag); err != nil {
			return nil, failed(err)
		}
	}
	layer, err := r.layer(ctx, repository, sum)
	if err != nil {
		return nil, failed(err)
	}
	if metadata != "" {
		archive, err := repository.ReadBlob(ctx, layer)
		if err != nil {
			return nil, failed(err)
		}
		return a.fromArchive(ctx, archive, m)
	}
	key := fmt.Sprintf("%s %s %s %q", r.key, repository.Name(), layer.Digest, m.file())
	m.tree, err = a.Store.Share(ctx, fmt.Sprintf("chart %x", sha256.Sum256([]byte(key))), func(ctx context.Context) (*artifacts.Tree, error) {
		archive, err := repository.ReadBlob(ctx, layer)
		if err != nil {
			return nil, err
		}
		return a.inspected(ctx, archive, m)
	})
	if err != nil {
		return nil, failed(err)
	}
	return m, nil
}

// Pull implements [helm.Puller].
func (r *registry) Pull(ctx context.Context, wants []helm.Want, _ int64) (map[helm.Want][]byte, error) {
	archives := make(map[helm.Want][]byte, len(wants))
	for _, want := range wants {
		archive, err := r.pull(ctx, want)
		if err != nil {
			return nil, fmt.Errorf("failed to get chart '%s' version '%s': %w", want.Name, want.Version, err)
		}
		archives[want] = archive
	}
	return archives, nil
}

func (r *registry) pull(ctx context.Context, want helm.Want) ([]byte, error) {
	repository, err := r.chart(want.Name)
	if err != nil {
		return nil, err
	}
	tag, _, err := pick(ctx, repository, want.Version)
	if err != nil {
		return nil, err
	}
	sum, err := repository.Digest(ctx, tag)
	if err != nil {
		return nil, err
	}
	layer, err := r.layer(ctx, repository, sum)
	if err != nil {
		return nil, err
	}
	return repository.ReadBlob(ctx, layer)
}
