package helmchart

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// fromTree gets the chart from the files of a GitRepository or Bucket.
func (a *one) fromTree(ctx context.Context, source api.Source) (*made, error) {
	ref, artifact := a.obj.Spec.SourceRef, source.GetArtifact()
	tree, release, err := a.Store.Open(artifacts.Owner{Kind: ref.Kind, Namespace: a.obj.Namespace, Name: ref.Name}, artifact.Digest)
	if errors.Is(err, artifacts.ErrNotFound) {
		return nil, a.cold("the artifact")
	}
	if err != nil {
		return nil, a.StorageFailed(api.ReasonReadOperationFailed, err)
	}
	a.later(release)
	where := helm.Confined(a.obj.Spec.Chart)
	info, err := fs.Stat(tree, where)
	if err != nil {
		return nil, a.fetchStalled(api.ReasonInvalidChartReference, invalidReference,
			fmt.Errorf("spec.chart: there is no '%s' in the source", a.obj.Spec.Chart))
	}
	prefix := ""
	if a.obj.Spec.ReconcileStrategy == v1.ReconcileRevision {
		prefix = shortRevision(artifact.Revision)
	}
	if info.IsDir() {
		return a.fromFolder(ctx, tree, where, prefix)
	}
	return a.fromFile(ctx, tree, where, info.Size(), prefix)
}

// shortLength is how much of a revision goes into a version.
const shortLength = 12

// shortRevision returns the beginning of the hash that a revision ends with.
func shortRevision(revision string) string {
	hash := revision[strings.LastIndexAny(revision, ":/@")+1:]
	return hash[:min(len(hash), shortLength)]
}

// fromFolder packages the chart in a folder.
func (a *one) fromFolder(ctx context.Context, tree fs.FS, where, prefix string) (*made, error) {
	id, err := helm.InspectDir(tree, where, a.options.Limits)
	if err != nil {
		return nil, a.fetchStalled(api.ReasonInvalidChartReference, invalidReference, err)
	}
	if id.Version, err = a.version(id.Version, a.metadata(prefix)); err != nil {
		return nil, err
	}
	if stored, ok := a.upToDate(id, true); ok {
		return stored, nil
	}
	chart, err := helm.LoadDir(ctx, tree, where, a.limits())
	if err != nil {
		return nil, a.buildFailed(ctx, api.ReasonChartPackageError, "chart package error", err)
	}
	return a.repackage(ctx, chart, &made{Identity: id}, a.valuesOf(tree), func(c *helm.Chart) error {
		_, err := c.Resolve(ctx, tree, a.elsewhere)
		return err
	})
}

func (a *one) valuesOf(tree fs.FS) func(*helm.Chart) ([]string, error) {
	return func(c *helm.Chart) ([]string, error) { return c.MergeValues(tree, a.values()) }
}

// fromFile takes the packaged chart in a file, as it is unless something changes.
func (a *one) fromFile(ctx context.Context, tree fs.FS, where string, size int64, prefix string) (*made, error) {
	reference := func(err error) error {
		return a.fetchStalled(api.ReasonInvalidChartReference, invalidReference, err)
	}
	if limit := a.options.Limits.ArchiveBytes(); size > limit {
		return nil, reference(fmt.Errorf("%w: '%s' has more than the %d bytes that are accepted", helm.ErrTooLarge, where, limit))
	}
	archive, err := fs.ReadFile(tree, where)
	if err != nil {
		return nil, a.StorageFailed(api.ReasonReadOperationFailed, err)
	}
	id, err := helm.Inspect(ctx, archive, a.limits())
	if ctx.Err() != nil {
		return nil, a.pullFailed(ctx, ctx.Err())
	}
	if err != nil {
		return nil, reference(err)
	}
	metadata := a.metadata(prefix)
	if id.Version, err = a.version(id.Version, metadata); err != nil {
		return nil, err
	}
	m := &made{Identity: id}
	if stored, ok := a.upToDate(id, metadata != ""); ok {
		return stored, nil
	}
	if metadata == "" {
		return a.finish(m, archive)
	}
	chart, err := helm.Load(ctx, archive, a.limits())
	if err != nil {
		return nil, a.buildFailed(ctx, api.ReasonChartPackageError, "chart package error", err)
	}
	return a.repackage(ctx, chart, m, a.valuesOf(tree), nil)
}

// strangerTimeout bounds requests to a repository that no HelmRepository describes.
const strangerTimeout = time.Minute

// elsewhere is a.dependencies with errors that are no more than that: what a missing
// Secret of a HelmRepository means for its own charts, it does not mean here.
func (a *one) elsewhere(ctx context.Context, url string) (helm.Puller, error) {
	puller, err := a.dependencies(ctx, url)
	if err != nil && ctx.Err() == nil {
		return nil, errors.New(err.Error())
	}
	return puller, err
}

// dependencies returns how to get charts from the repository of a dependency: as the
// HelmRepository of the namespace with that URL says, or else as anybody.
func (a *one) dependencies(ctx context.Context, url string) (helm.Puller, error) {
	source := &v1.HelmRepository{Spec: v1.HelmRepositorySpec{URL: url}}
	if strings.HasPrefix(url, "oci://") {
		source.Spec.Type = v1.HelmRepositoryOCI
	}
	for _, known := range a.objects.Repositories(a.obj.Namespace) {
		if normal, err := helm.NormalizeURL(known.Spec.URL); err == nil && normal == url {
			source = known
			break
		}
	}
	timeout := strangerTimeout
	if source.Name != "" {
		timeout = source.GetTimeout()
	}
	if strings.HasPrefix(url, "oci://") {
		r, err := a.registry(ctx, source)
		if err != nil {
			return nil, err
		}
		return bounded{r, timeout}, nil
	}
	login := attempt.Login{}
	if source.Name != "" {
		var err error
		if login, err = a.Login(ctx, fmt.Sprintf("HelmRepository '%s': ", source.Name), source.Spec); err != nil {
			return nil, err
		}
	}
	repository, err := a.server(login, source)
	if err != nil {
		return nil, err
	}
	return bounded{repository, timeout}, nil
}

// bounded bounds the time of a puller.
type bounded struct {
	helm.Puller
	timeout time.Duration
}

// Pull implements [helm.Puller].
func (b bounded) Pull(ctx context.Context, wants []helm.Want, limit int64) (map[helm.Want][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return b.Puller.Pull(ctx, wants, limit)
}
