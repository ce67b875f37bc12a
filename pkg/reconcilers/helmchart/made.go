package helmchart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/helm"
)

// made is the chart that is wanted.
type made struct {
	helm.Identity
	// packaged says that the archive was made here.
	packaged bool
	// values are the files that were merged.
	values []string
	// tree holds the archive; nil if the stored one is it.
	tree *artifacts.Tree
}

func (m *made) file() string { return m.Name + "-" + m.Version + ".tgz" }

func (m *made) reason() string {
	if m.packaged {
		return api.ReasonChartPackageSucceeded
	}
	return api.ReasonChartPullSucceeded
}

func (m *made) summary() string {
	verb := "pulled"
	if m.packaged {
		verb = "packaged"
	}
	text := fmt.Sprintf("%s '%s' chart with version '%s'", verb, m.Name, m.Version)
	if len(m.values) > 0 {
		text += fmt.Sprintf(" and merged values files %v", m.values)
	}
	return text
}

// values returns the files that are to be merged.
func (a *one) values() helm.Values {
	return helm.Values{Files: a.obj.Spec.ValuesFiles, IgnoreMissing: a.obj.Spec.IgnoreMissingValuesFiles}
}

// metadata returns the build metadata of a version: prefix, and with values files
// the generation, so that a change of the list makes a new version.
func (a *one) metadata(prefix string) string {
	if a.values().Trivial() {
		return prefix
	}
	generation := strconv.FormatInt(a.obj.Generation, 10)
	if prefix == "" {
		return generation
	}
	return prefix + "." + generation
}

// version returns the version of the chart as it is to be stored.
func (a *one) version(version, metadata string) (string, error) {
	if metadata == "" {
		return version, nil
	}
	set, err := helm.WithMetadata(version, metadata)
	if err != nil {
		return "", a.buildStalled(api.ReasonMetadataPatchError, "chart metadata patch error", err)
	}
	return set, nil
}

// upToDate returns the stored chart if it is the one of the given identity, made
// from the same spec. If another was made before, the status says that it is outdated,
// until this one is stored.
func (a *one) upToDate(id helm.Identity, packaged bool) (*made, bool) {
	status := a.obj.Status
	other := status.Artifact != nil && (status.ObservedChartName != id.Name || status.Artifact.Revision != id.Version)
	if other && a.recorded == "" {
		a.Set(api.ConditionArtifactOutdated, true, api.ReasonNewChart, fmt.Sprintf("new '%s' chart with version '%s'", id.Name, id.Version))
	}
	if other || a.recorded != "" || !a.Stored() || status.ObservedGeneration != a.obj.Generation {
		return nil, false
	}
	m := &made{Identity: id, packaged: packaged}
	if v := a.values(); !v.Trivial() {
		m.values = v.Files
		if v.IgnoreMissing {
			m.values = status.ObservedValuesFiles
		}
	}
	return m, true
}

// finish stores nothing yet: it makes the tree of an archive.
func (a *one) finish(m *made, archive []byte) (*made, error) {
	tree, err := a.Store.Verbatim(m.file(), archive)
	if err != nil {
		return nil, a.StorageFailed(api.ReasonArchiveOperationFailed, err)
	}
	m.tree = tree
	return m, nil
}

// repackage merges the values files into a loaded chart and packages it. Tree is where
// the values files are, nil for the chart itself; complete adds what is missing.
func (a *one) repackage(ctx context.Context, chart *helm.Chart, m *made, merge func(*helm.Chart) ([]string, error), complete func(*helm.Chart) error) (*made, error) {
	chart.SetVersion(m.Version)
	used, err := merge(chart)
	if err != nil {
		return nil, a.buildStalled(api.ReasonValuesFilesError, "values files merge error", err)
	}
	m.values, m.packaged = used, true
	if complete != nil {
		if err := complete(chart); err != nil {
			return nil, a.buildFailed(ctx, api.ReasonDependencyBuildError, "dependency build error", err)
		}
	}
	archive, err := chart.Pack()
	if err != nil {
		return nil, a.buildFailed(ctx, api.ReasonChartPackageError, "chart package error", err)
	}
	return a.finish(m, archive)
}

// publish stores the chart and says so.
func (a *one) publish(m *made) (reconcilers.Result, error) {
	result, err := a.Publish(attempt.Publication{
		Revision: m.Version, File: m.file(), Tree: m.tree,
		Reason: m.reason(), Message: m.summary(), News: m.summary(), NewsReason: m.reason(),
	})
	if err != nil {
		return result, err
	}
	status := &a.obj.Status
	status.ObservedChartName, status.ObservedValuesFiles = m.Name, nil
	if a.obj.Spec.IgnoreMissingValuesFiles {
		status.ObservedValuesFiles = slices.Clone(m.values)
	}
	return result, nil
}

// errMoved says that a recorded chart cannot be had any more.
var errMoved = errors.New("the recorded chart cannot be restored")

// refill makes the recorded chart of a suspended object again and touches no status.
func (a *one) refill(ctx context.Context) error {
	recorded := a.obj.Status.Artifact
	if recorded == nil || a.Stored() {
		return nil
	}
	a.recorded = recorded.Revision
	m, err := a.make(ctx)
	if err != nil {
		return err
	}
	if m.tree.Digest() != recorded.Digest || m.Version != recorded.Revision {
		return fmt.Errorf("the version %s now has the digest %s: %w", m.Version, m.tree.Digest(), errMoved)
	}
	_, err = a.Store.Put(a.Owner, recorded.Revision, m.tree, nil)
	return err
}

// The errors of a build become conditions here. FetchFailed and BuildFailed never
// stand together.

func (a *one) fetchStalled(reason, summary string, err error) error {
	a.Drop(api.ConditionBuildFailed)
	return a.Stalled(reason, fmt.Errorf("%s: %w", summary, err))
}

func (a *one) fetchFailed(ctx context.Context, reason, summary string, err error) error {
	a.Drop(api.ConditionBuildFailed)
	return a.Refused(ctx, reason, fmt.Errorf("%s: %w", summary, err))
}

func (a *one) buildStalled(reason, summary string, err error) error {
	err = fmt.Errorf("%s: %w", summary, err)
	a.Drop(api.ConditionFetchFailed)
	a.Set(api.ConditionBuildFailed, true, reason, err.Error())
	return fault.Stalled(reason, err)
}

func (a *one) buildFailed(ctx context.Context, reason, summary string, err error) error {
	err = fmt.Errorf("%s: %w", summary, err)
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // shutting down
	}
	a.Drop(api.ConditionFetchFailed)
	a.Set(api.ConditionBuildFailed, true, reason, err.Error())
	return fault.Backoff(reason, err)
}
