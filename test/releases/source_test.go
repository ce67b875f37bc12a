package releases

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// A chart from a registry is installed, and upgraded when the registry has a newer one.
func TestFromARegistry(t *testing.T) {
	r := newRelease(t, app("1.0.0", nil))
	r.helmRelease("web", "values: {word: registry}")
	obj := r.ready("web")
	short, message := world.Condition(obj, "Ready")
	world.Equal(t, "Ready", "True/InstallSucceeded", short)
	world.Contains(t, "Ready", message, "Helm install succeeded for release "+r.Namespace+"/web.v1 with chart app@1.0.0+")
	world.Equal(t, "history", []string{"1 deployed 1.0.0"}, history(obj))
	config := r.Get(configMaps, "web-config")
	world.Equal(t, "the values", "registry", world.Field(config, "data", "word"))
	world.Equal(t, "the owner", "web", config.GetLabels()[api.LabelHelmReleaseName])

	r.upgradeTo(app("1.1.0", nil))
	obj = r.Wait(api.HelmReleaseGVR, "web", world.Has("Ready", "True/UpgradeSucceeded"))
	world.Equal(t, "history", []string{"2 deployed 1.1.0", "1 superseded 1.0.0"}, history(obj))
	world.Equal(t, "records", []string{"sh.helm.release.v1.web.v1 superseded", "sh.helm.release.v1.web.v2 deployed"}, r.records())
}

// A HelmRelease makes the HelmChart that it describes, from an index, and deletes it.
func TestFromAnIndex(t *testing.T) {
	r := newRelease(t)
	index, err := upstream.StartHelmIndex(upstream.HelmIndexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.closing(index)
	if err := index.Publish(app("1.0.0", nil)); err != nil {
		t.Fatal(err)
	}
	r.Create(r.Manifest("source.toolkit.fluxcd.io/v1", "HelmRepository", "charts", "url: "+index.URL))
	r.Create(r.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web",
		"chart: {spec: {chart: app, version: 1.x, sourceRef: {kind: HelmRepository, name: charts}}}"))
	obj := r.ready("web")
	world.Equal(t, "history", []string{"1 deployed 1.0.0"}, history(obj))
	chart := r.Get(api.HelmChartGVR, r.Namespace+"-web")
	world.Equal(t, "owner", "web", chart.GetLabels()[api.LabelHelmReleaseName])
	world.Equal(t, "status.helmChart", r.Namespace+"/"+r.Namespace+"-web", world.Field(obj, "status", "helmChart"))

	if err := index.Publish(app("1.0.0", nil), app("1.2.0", nil)); err != nil {
		t.Fatal(err)
	}
	r.Reconciled(api.HelmRepositoryGVR, "charts")
	obj = r.Wait(api.HelmReleaseGVR, "web", world.Has("Ready", "True/UpgradeSucceeded"))
	world.Equal(t, "history", []string{"2 deployed 1.2.0", "1 superseded 1.0.0"}, history(obj))

	r.Delete(api.HelmReleaseGVR, "web")
	r.Wait(api.HelmReleaseGVR, "web", harness.Gone)
	r.Wait(api.HelmChartGVR, r.Namespace+"-web", harness.Gone)
	r.Wait(configMaps, "web-config", harness.Gone)
	world.Equal(t, "records", []string(nil), r.records())
}

// A chart in a folder of a Git repository is released.
func TestFromGit(t *testing.T) {
	r := newRelease(t)
	root := t.TempDir()
	server, err := gittest.Serve(root)
	if err != nil {
		t.Fatal(err)
	}
	r.closing(server)
	repo, err := gittest.NewRepo(t.Context(), root, "charts")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Commit(t.Context(), "main", "a chart", app("0.1.0", nil).DirectoryOf("charts/app")); err != nil {
		t.Fatal(err)
	}
	r.Create(r.Manifest("source.toolkit.fluxcd.io/v1", "GitRepository", "repo", "url: "+server.RepoURL(repo), "ref: {branch: main}"))
	r.Create(r.Manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "web",
		"chart: {spec: {chart: charts/app, sourceRef: {kind: GitRepository, name: repo}}}"))
	world.Equal(t, "history", []string{"1 deployed 0.1.0"}, history(r.ready("web")))
}
