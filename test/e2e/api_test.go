package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/preview"
	"github.com/fluxd/fluxd/test/harness"
)

// caller creates a service account with rights in the namespace, each as
// "<verbs> <resources> [<name>]", and returns a token of it.
func (w *world) caller(name string, rights ...string) string {
	w.t.Helper()
	w.account(name, "")
	for i, right := range rights {
		parts := strings.Fields(right)
		role := name + "-" + string(rune('a'+i))
		args := []string{"create", "role", role, "--verb=" + parts[0], "--resource=" + parts[1]}
		if len(parts) > 2 {
			args = append(args, "--resource-name="+parts[2])
		}
		w.kubectl(args...)
		w.kubectl("create", "rolebinding", role, "--role="+role, "--serviceaccount="+w.namespace+":"+name)
	}
	return w.kubectl("create", "token", name)
}

// ask asks the API of the shared daemon for a preview. A body makes it a POST.
func (w *world) ask(token, name, query string, body []byte) (status int, answer string) {
	w.t.Helper()
	status, answer = w.call(token, preview.Path+w.namespace+"/"+name+query, body)
	return status, strings.TrimSpace(answer)
}

// call sends a request to the API of the shared daemon, a POST if it has a body. In the
// answer the namespace is NS.
func (w *world) call(token, path string, body []byte) (status int, answer string) {
	w.t.Helper()
	method, content := http.MethodGet, io.Reader(nil)
	if body != nil {
		method, content = http.MethodPost, bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, apiURL+path, content)
	if err != nil {
		w.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, w.short(string(text))
}

// shown returns a preview that the caller is shown.
func (w *world) shown(token, name, query string, body []byte) preview.Report {
	w.t.Helper()
	status, text := w.ask(token, name, query, body)
	var report preview.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil || status != http.StatusOK {
		w.t.Fatalf("%d %s", status, text)
	}
	return report
}

// archive returns files as tar.gz.
func (w *world) archive(content files) []byte {
	w.t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	archive := tar.NewWriter(z)
	for name, text := range content {
		text = w.expand(text)
		if err := archive.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			w.t.Fatal(err)
		}
		if _, err := archive.Write([]byte(text)); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		w.t.Fatal(err)
	}
	return out.Bytes()
}

// Over HTTP each caller is told what it may get itself, and nobody else's content is
// built with what a Kustomization may read.
func TestPreviewOverHTTP(t *testing.T) {
	before, after := rich()
	w := newWorld(t, before)
	w.watched("live", "one")
	w.source("repo")
	w.kustomization("app", "./app")
	w.ready("app", "child")
	if _, err := w.repo.Git(t.Context(), "branch", "next", "main"); err != nil {
		t.Fatal(err)
	}
	w.commitTo("next", after)
	const kustomizations, sources = "kustomizations.kustomize.toolkit.fluxcd.io", "gitrepositories.source.toolkit.fluxcd.io"
	stranger := w.caller("stranger", "get configmaps", "get "+kustomizations+" child")
	viewer := w.caller("viewer", "get configmaps", "get "+kustomizations+" app")
	author := w.caller("author", "get configmaps,secrets", "get "+kustomizations, "patch "+sources)
	editor := w.caller("editor", "get configmaps", "get,patch "+kustomizations)
	folder := w.archive(files{"app/changed.yaml": configMap("changed", "uploaded")})

	for what, c := range map[string]struct {
		token, name, query string
		body               []byte
		status             int
		says               string
	}{
		"without a token":       {"", "app", "", nil, 401, "a valid bearer token of the cluster is needed"},
		"with another token":    {"nonsense", "app", "", nil, 401, "a valid bearer token of the cluster is needed"},
		"somebody else's":       {stranger, "app", "", nil, 403, `may not get kustomizations.kustomize.toolkit.fluxcd.io "app"`},
		"what there is not":     {viewer, "nothing", "", nil, 403, `may not get kustomizations.kustomize.toolkit.fluxcd.io "nothing"`},
		"and may be looked for": {author, "nothing", "", nil, 404, "Kustomization 'NS/nothing' not found"},
		"another branch":        {viewer, "app", "?branch=next", nil, 403, `may not patch gitrepositories.source.toolkit.fluxcd.io "repo"`},
		"by an editor":          {editor, "app", "?branch=next", nil, 403, `may not patch gitrepositories.source.toolkit.fluxcd.io "repo"`},
		"a folder of a viewer":  {viewer, "app", "", folder, 403, `may not patch gitrepositories.source.toolkit.fluxcd.io "repo"`},
		"another parameter":     {author, "app", "?depth=3", nil, 400, `the parameter "depth"`},
		"no archive":            {author, "app", "", []byte("nonsense"), 200, `the folder uploaded: `},
	} {
		status, text := w.ask(c.token, c.name, c.query, c.body)
		if status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %s, want %d %s", what, status, text, c.status, c.says)
		}
	}

	report := w.shown(author, "app", "?branch=next&recursive=true", nil)
	same := w.foresee(1, "app", "--branch=next", "--recursive")
	equal(t, "what app would do", writesOf(same.Results[0]), writesOf(report.Results[0]))
	equal(t, "what child would do", writesOf(same.Results[1]), writesOf(report.Results[1]))
	app := report.Results[0]
	equal(t, "a Secret", []forecast.Field{{Path: "data.password", Masked: true}}, object(t, app, "Secret/NS/token").Change)
	equal(t, "what the author may not get", true, object(t, app, "Deployment/NS/web").Withheld)
	equal(t, "and its fields", []forecast.Field(nil), object(t, app, "Deployment/NS/web").Change)

	uploaded := w.shown(editor, "app", "?folder=mine", folder).Results[0]
	equal(t, "revision", "folder mine", uploaded.Revision)
	equal(t, "a field", []forecast.Field{{Path: "data.key", Old: "before", New: "uploaded"}}, object(t, uploaded, "ConfigMap/NS/changed").Change)

	commit := w.commit(after)
	seen := w.shown(viewer, "app", "?recursive=true", nil)
	equal(t, "revision", "main@sha1:"+commit, seen.Results[0].Revision)
	equal(t, "a Secret", true, object(t, seen.Results[0], "Secret/NS/token").Withheld)
	contains(t, "the child", seen.Results[1].Error, `may not get kustomizations.kustomize.toolkit.fluxcd.io "child"`)
	_, text := w.ask(viewer, "app", "?output=text", nil)
	contains(t, "text", text, "► Deployment/NS/web changed\n    (you may not get this object, so its fields are not shown)")
	if w.get(harness.ConfigMaps, "new") != nil {
		t.Error("a preview has created an object")
	}
}
