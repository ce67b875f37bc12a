package releases

import (
	"os"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/sources/git/gittest"
	"github.com/fluxd/fluxd/test/harness/world"
)

// encrypted returns a file of the tests of decryption.
func encrypted(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../pkg/render/decrypt/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Values come from files of the chart and of another source, encrypted or not, as an
// annotation lists them, and a commit to that source upgrades the release.
func TestValuesFromFiles(t *testing.T) {
	r := newRelease(t, app("1.0.0", map[string]string{
		"values/edge.yaml":    "word: from the chart\n",
		"templates/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-more}\ndata: {keys: {{ .Values | keys | sortAlpha | join \",\" | quote }}}\n",
	}))
	root := t.TempDir()
	server, err := gittest.Serve(root)
	if err != nil {
		t.Fatal(err)
	}
	r.closing(server)
	repo, err := gittest.NewRepo(t.Context(), root, "fleet")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Commit(t.Context(), "main", "secrets", map[string]string{"edge/secret.enc.yaml": encrypted(t, "all.yaml.enc")}); err != nil {
		t.Fatal(err)
	}
	r.Create(r.Manifest("source.toolkit.fluxcd.io/v1", "GitRepository", "fleet", "url: "+server.RepoURL(repo), "ref: {branch: main}"))
	r.Secret("keys", map[string]string{"age.agekey": encrypted(t, "keys/age.agekey")})

	r.helmRelease("web")
	r.ready("web")
	annotate := func(text string) {
		r.Patch(api.HelmReleaseGVR, "web", map[string]any{"metadata": map[string]any{"annotations": map[string]any{"fluxd.io/values-files": text}}})
	}
	says := func(object, key, want string) {
		r.Wait(configMaps, object, func(obj *unstructuredObject) bool { return world.Field(obj, "data", key) == want })
	}
	annotate("files: [{path: values/edge.yaml}, {path: none.yaml, optional: true}]")
	r.Reconciled(api.HelmReleaseGVR, "web")
	says("web-config", "word", "from the chart")

	annotate("decryption: {provider: sops, secretRef: {name: keys}}\nfiles: [{path: values/edge.yaml}, {sourceRef: {kind: GitRepository, name: fleet}, path: edge/secret.enc.yaml}, " +
		"{sourceRef: {kind: GitRepository, name: fleet}, path: edge/plain.yaml, optional: true}]")
	r.Reconciled(api.HelmReleaseGVR, "web")
	r.Wait(configMaps, "web-more", func(obj *unstructuredObject) bool {
		return strings.Contains(world.Field(obj, "data", "keys"), "stringData")
	})

	if _, err := repo.Commit(t.Context(), "main", "a word", map[string]string{"edge/secret.enc.yaml": encrypted(t, "all.yaml.enc"), "edge/plain.yaml": "word: from a commit\n"}); err != nil {
		t.Fatal(err)
	}
	r.Reconciled(api.GitRepositoryGVR, "fleet")
	says("web-config", "word", "from a commit")

	annotate("files: [{path: ../../etc/passwd}]")
	obj := r.Wait(api.HelmReleaseGVR, "web", world.Has("Stalled", "True/ValuesError"))
	r.condition(obj, "Ready", "False/ValuesError", `metadata.annotations[fluxd.io/values-files]: unusable values: files[0].path: "../../etc/passwd" leads out of the artifact`)
}
