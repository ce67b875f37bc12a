package helmchart

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/helm"
	"github.com/fluxd/fluxd/pkg/transport"
)

const (
	invalidReference = "invalid chart reference"
	pullError        = "chart pull error"
)

// chartName is how the chart of a HelmRepository may be called.
var chartName = regexp.MustCompile(`^([-a-z0-9]+/?\.?)+$`)

// maxChartName bounds what is matched.
const maxChartName = 253

func (a *one) checkName() error {
	if name := a.obj.Spec.Chart; len(name) > maxChartName || !chartName.MatchString(name) {
		return a.fetchStalled(api.ReasonInvalidChartReference, invalidReference, fmt.Errorf("spec.chart: invalid chart name '%.253s': a valid name must be lower case letters and numbers and MAY be separated with dashes (-), slashes (/) or periods (.)", name))
	}
	return nil
}

// want returns what is asked of a repository: what spec says, or the version that was
// recorded of a suspended object, without the metadata that was put into it here.
func (a *one) want() helm.Want {
	want := helm.Want{Name: a.obj.Spec.Chart, Version: a.obj.Spec.Version}
	if a.recorded != "" {
		want.Version = a.recorded
		if !a.values().Trivial() {
			want.Version = helm.WithoutMetadata(a.recorded)
		}
	}
	return want
}

// fromRepository gets the chart from a server with an index.
func (a *one) fromRepository(ctx context.Context, source *v1.HelmRepository) (*made, error) {
	if err := a.checkName(); err != nil {
		return nil, err
	}
	if source.Spec.Suspend || a.sawIt(source) {
		if m, ok := a.nothingNew(); ok {
			return m, nil
		}
	}
	login, err := a.Login(ctx, fmt.Sprintf("HelmRepository '%s': ", source.Name), source.Spec)
	if err != nil {
		return nil, err
	}
	repository, err := a.server(login, source)
	if err != nil {
		return nil, a.fetchStalled(api.ReasonFailed, "failed to construct Helm client", err)
	}
	ctx, cancel := context.WithTimeout(ctx, source.GetTimeout())
	defer cancel()
	pin := ""
	if source.Spec.Suspend {
		pin = source.Status.Artifact.Revision
	}
	release, err := a.indexes.Answer(ctx, helm.Source{Namespace: source.Namespace, Name: source.Name}, repository, a.want(), pin)
	if err != nil {
		return nil, a.unanswered(ctx, err)
	}
	if a.obj.Spec.Verify != nil {
		return nil, a.buildFailed(ctx, api.ReasonChartVerificationError, "chart verification error",
			errors.New("spec.verify: charts of a HelmRepository can only be verified if its type is oci"))
	}
	return a.fromRelease(ctx, repository, release, login)
}

// sawIt says whether the index is one that the chart was found in before. Then nothing
// of it has to be in memory, so that a restart, with or without a network, finds a chart
// that is stored on disk as good as it was.
func (a *one) sawIt(source *v1.HelmRepository) bool {
	return !a.FailedBefore() && !conditions.IsFalse(a.obj.Status.Conditions, api.ConditionReady) &&
		a.observed == source.Status.Artifact.Revision
}

// nothingNew returns the stored chart if it was made from the same spec. From the same
// index there is nothing else to be had.
func (a *one) nothingNew() (*made, bool) {
	if a.obj.Status.Artifact == nil {
		return nil, false
	}
	id := helm.Identity{Name: a.obj.Status.ObservedChartName, Version: a.obj.Status.Artifact.Revision}
	return a.upToDate(id, a.metadata("") != "")
}

// server returns how to reach a HelmRepository.
func (a *one) server(login attempt.Login, source *v1.HelmRepository) (*helm.Repository, error) {
	t := a.Transport(transport.Options{TLS: login.TLS})
	a.later(t.Close)
	return helm.NewRepository(helm.Access{
		URL: source.Spec.URL, Username: login.Username, Password: login.Password, PassCredentials: source.Spec.PassCredentials,
		IndexBytes: a.options.IndexBytes, Memory: a.memory,
	}, t)
}

// unanswered classifies an error of the index.
func (a *one) unanswered(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, helm.ErrMoved):
		return a.cold("the index")
	case errors.Is(err, helm.ErrNoChart):
		return a.fetchStalled(api.ReasonInvalidChartReference, invalidReference,
			fmt.Errorf("failed to get chart version for remote reference: %w", err))
	}
	return a.pullFailed(ctx, fmt.Errorf("failed to get chart version for remote reference: %w", err))
}

// pullFailed classifies an error of a server.
func (a *one) pullFailed(ctx context.Context, err error) error {
	if helm.Unauthorized(err) {
		return a.fetchFailed(ctx, api.ReasonAuthenticationFailed, pullError, err)
	}
	return a.fetchFailed(ctx, api.ReasonChartPullError, pullError, err)
}

// fromRelease gets the archive that the index names.
func (a *one) fromRelease(ctx context.Context, repository *helm.Repository, release helm.Release, login attempt.Login) (*made, error) {
	metadata := a.metadata("")
	version, err := a.version(release.Version, metadata)
	if err != nil {
		return nil, err
	}
	m := &made{Identity: helm.Identity{Name: release.Name, Version: version}}
	if stored, ok := a.upToDate(m.Identity, metadata != ""); ok {
		return stored, nil
	}
	if metadata == "" {
		return a.verbatim(ctx, repository, release, login, m)
	}
	archive, err := a.download(ctx, repository, release)
	if err != nil {
		return nil, a.pullFailed(ctx, err)
	}
	return a.fromArchive(ctx, archive, m)
}

func (a *one) download(ctx context.Context, repository *helm.Repository, release helm.Release) ([]byte, error) {
	archive, err := repository.Download(ctx, release, a.options.Limits.ArchiveBytes())
	if err != nil {
		return nil, fmt.Errorf("failed to download chart for remote reference: %w", err)
	}
	return archive, nil
}

// verbatim gets an archive that is stored as it is. Those who want the same and may
// read the same share it.
func (a *one) verbatim(ctx context.Context, repository *helm.Repository, release helm.Release, login attempt.Login, m *made) (*made, error) {
	build := func(ctx context.Context) (*artifacts.Tree, error) {
		archive, err := a.download(ctx, repository, release)
		if err != nil {
			return nil, err
		}
		return a.inspected(ctx, archive, m)
	}
	var err error
	if !release.Checkable() { // then it is not known to be the same
		m.tree, err = build(ctx)
	} else {
		key := fmt.Sprintf("%s %q %q %q %q", login.Key, repository.URL(), release.URL, release.Digest, m.file())
		m.tree, err = a.Store.Share(ctx, fmt.Sprintf("chart %x", sha256.Sum256([]byte(key))), build)
	}
	if err != nil {
		return nil, a.pullFailed(ctx, err)
	}
	return m, nil
}

// inspected returns the tree of an archive once it is known to be a chart.
func (a *one) inspected(ctx context.Context, archive []byte, m *made) (*artifacts.Tree, error) {
	if _, err := helm.Inspect(ctx, archive, a.limits()); err != nil {
		return nil, fmt.Errorf("failed to load the downloaded chart: %w", err)
	}
	return a.Store.Verbatim(m.file(), archive)
}

// fromArchive makes the chart of an archive and the values files in it.
func (a *one) fromArchive(ctx context.Context, archive []byte, m *made) (*made, error) {
	chart, err := helm.Load(ctx, archive, a.limits())
	if err != nil {
		return nil, a.buildFailed(ctx, api.ReasonChartPackageError, "chart package error", fmt.Errorf("failed to load downloaded chart: %w", err))
	}
	return a.repackage(ctx, chart, m, func(c *helm.Chart) ([]string, error) {
		return c.MergeValues(nil, a.values())
	}, nil)
}
