package ocirepository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	"github.com/fluxd/fluxd/pkg/reconcilers/attempt"
	"github.com/fluxd/fluxd/pkg/sources/oci"
)

// pulled is what was read of a version.
type pulled struct {
	tree        *artifacts.Tree
	annotations map[string]string
	warnings    []artifacts.Warning
}

// maxAnnotations bounds the annotations of a manifest, in bytes: they go into the status.
const maxAnnotations = 64 << 10

// pull reads the manifest and the wanted layer. The manifest is read each time, which
// shows that the object may read it; the layer is shared.
func (a *one) pull(ctx context.Context, remote *remote, version oci.Version) (pulled, error) {
	m, err := remote.Manifest(ctx, version.Digest)
	if err != nil {
		return pulled{}, err
	}
	size := 0
	for key, value := range m.Annotations {
		size += len(key) + len(value)
	}
	if size > maxAnnotations {
		return pulled{}, fmt.Errorf("%w: its annotations have more than %d bytes", oci.ErrManifest, maxAnnotations)
	}
	layer, err := m.Layer(a.obj.GetLayerMediaType())
	if err != nil {
		return pulled{}, err
	}
	p := pulled{annotations: m.Annotations}
	p.tree, err = a.Store.Share(ctx, a.shape(remote, layer), func(ctx context.Context) (tree *artifacts.Tree, err error) {
		if a.obj.GetLayerOperation() == v1.OCILayerCopy {
			return remote.Copy(ctx, layer, a.Store, copyName)
		}
		tree, p.warnings, err = remote.Extract(ctx, layer, a.Store, a.ignored())
		return tree, err
	})
	return p, err
}

// copyName is the name of the file in the tree of a layer that was copied.
const copyName = "artifact.tar.gz"

// shape names everything that shapes the tree of a layer, and who may see it.
func (a *one) shape(remote *remote, layer oci.Descriptor) string {
	ignored := sha256.Sum256([]byte(a.ignored()))
	return strings.Join([]string{
		"oci", remote.access, layer.Digest.String(), a.obj.GetLayerOperation(), hex.EncodeToString(ignored[:]),
	}, " ")
}

func (a *one) ignored() string {
	if a.obj.Spec.Ignore == nil {
		return ""
	}
	return *a.obj.Spec.Ignore
}

// upToDate says whether the stored artifact is what would be pulled.
func (a *one) upToDate(version oci.Version) bool {
	return a.Stored() && a.obj.Status.Artifact.Revision == version.Revision() && a.observed()
}

// observed says whether what shapes the content is what the artifact was made with.
func (a *one) observed() bool {
	spec, status := a.obj.Spec, a.obj.Status
	return same(spec.Ignore, status.ObservedIgnore) && same(spec.LayerSelector, status.ObservedLayerSelector)
}

func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// outdated says that there is something newer than the artifact, until that is stored.
func (a *one) outdated(version oci.Version) {
	if recorded := a.obj.Status.Artifact; recorded != nil && recorded.Revision != version.Revision() {
		a.Set(api.ConditionArtifactOutdated, true, api.ReasonNewRevision,
			fmt.Sprintf("new revision '%s' for '%s'", version.Revision(), a.obj.Spec.URL))
	}
}

// unchanged ends a run that found nothing new.
func (a *one) unchanged() reconcilers.Result {
	a.verificationRemoved()
	a.obj.Status.URL = a.URL(latest)
	revision := a.obj.Status.Artifact.Revision
	return a.Unchanged(api.ReasonSucceeded, stored(revision), api.ReasonArtifactUpToDate,
		fmt.Sprintf("artifact up-to-date with remote revision: '%s'", revision))
}

// latest is the last part of status.url.
const latest = "latest.tar.gz"

func stored(revision string) string { return fmt.Sprintf("stored artifact for digest '%s'", revision) }

// publish stores the tree and says so.
func (a *one) publish(version oci.Version, p pulled) (reconcilers.Result, error) {
	revision := version.Revision()
	result, err := a.Publish(attempt.Publication{
		Revision: revision, File: version.Digest + ".tar.gz", Tree: p.tree, Metadata: p.annotations,
		Message: stored(revision), News: a.news(revision, p.annotations), Warnings: p.warnings,
	})
	if err != nil {
		return result, err
	}
	a.verificationRemoved()
	a.obj.Status.URL = a.URL(latest)
	a.obj.Status.ObservedIgnore, a.obj.Status.ObservedLayerSelector = a.obj.Spec.Ignore, a.obj.Spec.LayerSelector
	return result, nil
}

// Annotations of manifests that say where their content is from.
const (
	originSource   = "org.opencontainers.image.source"
	originRevision = "org.opencontainers.image.revision"
)

func (a *one) news(revision string, annotations map[string]string) string {
	news := fmt.Sprintf("stored artifact with revision '%s' from '%s'", revision, a.obj.Spec.URL)
	source, commit := annotations[originSource], annotations[originRevision]
	if source != "" && commit != "" {
		news += fmt.Sprintf(", origin source '%s', origin revision '%s'", source, commit)
	}
	return news
}
