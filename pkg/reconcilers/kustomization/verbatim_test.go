package kustomization

import (
	"bytes"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// copied makes bytes the artifact of the source, as they are.
func (w *world) copied(revision string, content []byte) {
	w.t.Helper()
	tree, err := w.store.Verbatim("artifact.tar.gz", content)
	if err != nil {
		w.t.Fatal(err)
	}
	stored, err := w.store.Put(artifacts.Owner{Kind: api.OCIRepositoryKind, Namespace: "flux-system", Name: "repo"}, revision, tree, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	repository := &sourcev1.OCIRepository{}
	repository.Namespace, repository.Name = "flux-system", "repo"
	repository.Status.Artifact = &api.Artifact{Revision: revision, Digest: stored.Digest}
	w.objects[reconcilers.NewRef(api.OCIRepositoryGVK.GroupKind(), "flux-system", "repo")] = repository
	w.ks.Spec.SourceRef.Kind = api.OCIRepositoryKind
}

func TestCopiedLayers(t *testing.T) {
	w := newWorld(t)
	b := w.store.NewBuilder(artifacts.Limits{})
	if err := b.AddFile("app/c.json", 0o644, []byte(object("ConfigMap", "c", "1"))); err != nil {
		t.Fatal(err)
	}
	tree, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := tree.WriteTarGz(&archive); err != nil {
		t.Fatal(err)
	}
	w.copied("latest@sha256:1", archive.Bytes())
	w.must()
	w.want("ready", w.condition(api.ConditionReady), "True/ReconciliationSucceeded: Applied revision: latest@sha256:1")
	w.want("inventory", w.inventory(), []string{"apps_c__ConfigMap"})

	w.copied("latest@sha256:2", []byte("no archive"))
	if _, err := w.run(); err == nil {
		t.Error("what is no archive was applied")
	}
	w.want("ready", w.condition(api.ConditionReady)[:len("False/ArtifactFailed")], "False/ArtifactFailed")
}
