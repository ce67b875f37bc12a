package kustomize

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/fluxd/fluxd/pkg/render"
	"github.com/google/go-cmp/cmp"
)

// server serves files and counts the requests.
func server(t *testing.T, files map[string]string) (url string, requests *atomic.Int64) {
	requests = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		content, ok := files[r.URL.Path]
		switch {
		case r.URL.Path == "/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		case r.URL.Path == "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case !ok:
			http.NotFound(w, r)
		default:
			_, _ = w.Write([]byte(content))
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

// repositories is a fetcher of repositories in memory, by URL and ref.
type repositories map[string]fstest.MapFS

func (r repositories) Fetch(_ context.Context, url, ref string) (fs.FS, error) {
	files, ok := r[url+"@"+ref]
	if !ok {
		return nil, errors.New("no such repository: " + url + "@" + ref)
	}
	return files, nil
}

func mapFile(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }

func TestRemoteFiles(t *testing.T) {
	url, _ := server(t, map[string]string{
		"/a.yaml": configMap("a"), "/patch.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: patched}\n",
		"/text": "text",
	})
	k := "resources: [URL/a.yaml]\npatches: [{path: URL/patch.yaml}]\n" +
		"configMapGenerator: [{name: g, files: [URL/text, renamed=URL/text], options: {disableNameSuffixHash: true}}]\n"
	trace := &render.Trace{}
	files := tree(t, map[string]string{"kustomization.yaml": strings.ReplaceAll(k, "URL", url)})
	documents, err := New(Config{AllowLoopback: true}).Build(context.Background(), files, trace, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !trace.Volatile {
		t.Error("the build is not volatile")
	}
	want := []string{
		`{"apiVersion":"v1","data":{"key":"patched"},"kind":"ConfigMap","metadata":{"name":"a"}}`,
		`{"apiVersion":"v1","data":{"renamed":"text","text":"text"},"kind":"ConfigMap","metadata":{"name":"g"}}`,
	}
	var got []string
	for _, d := range documents {
		got = append(got, string(d))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRemoteRepositories(t *testing.T) {
	repos := repositories{
		"https://github.com/org/repo@v1": {
			"base/kustomization.yaml":   mapFile("resources: [a.yaml, ../shared, 'https://git.example/other.git?ref=main']\n"),
			"base/a.yaml":               mapFile(configMap("a")),
			"shared/kustomization.yaml": mapFile("resources: [s.yaml]\n"), "shared/s.yaml": mapFile(configMap("s")),
		},
		"https://git.example/other.git@main": {"kustomization.yaml": mapFile("resources: [o.yaml]\n"), "o.yaml": mapFile(configMap("o"))},
		"ssh://git@git.example/x/y@":         {"d/kustomization.yaml": mapFile("resources: [y.yaml]\n"), "d/y.yaml": mapFile(configMap("y"))},
		"git@git.example:x/y@":               {"d/kustomization.yaml": mapFile("resources: [y.yaml]\n"), "d/y.yaml": mapFile(configMap("scp"))},
		"https://git.example/evil/one@":      {"kustomization.yaml": mapFile("configMapGenerator: [{name: g, files: [../../artifact/secret]}]\n")},
	}
	cases := map[string]struct {
		ref  string
		want []string
		is   error
	}{
		"with a folder, a sibling and another repository": {ref: "https://github.com/org/repo//base?ref=v1", want: []string{"ConfigMap//a", "ConfigMap//s", "ConfigMap//o"}},
		"without a scheme":       {ref: "github.com/org/repo/base?ref=v1", want: []string{"ConfigMap//a", "ConfigMap//s", "ConfigMap//o"}},
		"over ssh":               {ref: "ssh://git@git.example/x/y//d", want: []string{"ConfigMap//y"}},
		"in the form of scp":     {ref: "git@git.example:x/y//d", want: []string{"ConfigMap//scp"}},
		"one that reads outside": {ref: "https://git.example/evil/one?version=", is: ErrEscape},
		"a local file":           {ref: "file:///srv/repo", is: ErrAddress},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"kustomization.yaml": "resources: ['" + c.ref + "']\n", "secret": "s"}
			_, order, err := build(t, New(Config{Repositories: repos}), files, Options{})
			if !errors.Is(err, c.is) {
				t.Fatalf("got error %v, want %v", err, c.is)
			}
			if diff := cmp.Diff(c.want, order); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoRemoteBases(t *testing.T) {
	url, requests := server(t, map[string]string{"/a.yaml": configMap("a")})
	fields := map[string]string{
		"resources": "resources: ['%s']", "bases": "bases: ['%s']", "components": "components: ['%s']",
		"crds": "crds: ['%s']", "configurations": "configurations: ['%s']", "openapi": "openapi: {path: '%s'}",
		"patches": "patches: [{path: '%s'}]", "strategic patches": "patchesStrategicMerge: ['%s']",
		"JSON patches": "patchesJson6902: [{path: '%s', target: {kind: A, name: a}}]",
		"replacements": "replacements: [{path: '%s'}]", "generators": "generators: ['%s']",
		"transformers": "transformers: ['%s']", "validators": "validators: ['%s']",
		"files": "configMapGenerator: [{name: a, files: ['k=%s']}]", "envs": "secretGenerator: [{name: a, envs: ['%s']}]",
		"env":            "secretGenerator: [{name: a, env: '%s'}]",
		"an escaped URL": `resources: ["\x68ttp%s"]`, "a binary URL": "resources: [!!binary aHR0cDovLzEyNy4wLjAuMToxL2EueWFtbA==]",
	}
	for name, field := range fields {
		t.Run(name, func(t *testing.T) {
			ref := url + "/a.yaml"
			if name == "an escaped URL" {
				ref = strings.TrimPrefix(ref, "http")
			}
			files := map[string]string{"in/kustomization.yaml": strings.ReplaceAll(field, "%s", ref), "x.yaml": configMap("x")}
			_, _, err := build(t, New(Config{NoRemoteBases: true, AllowLoopback: true}), files, Options{})
			if !errors.Is(err, ErrRemoteBases) {
				t.Errorf("got %v", err)
			}
		})
	}
	repository := map[string]string{"kustomization.yaml": "resources: [github.com/org/repo]"}
	if _, _, err := build(t, New(Config{NoRemoteBases: true, Repositories: repositories{}}), repository, Options{}); !errors.Is(err, ErrRemoteBases) {
		t.Errorf("got %v", err)
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// A transformer configuration that is itself built can name a file that nobody has
// seen: the default transport is the last line.
func TestHiddenReferences(t *testing.T) {
	url, requests := server(t, map[string]string{"/p.yaml": "x"})
	files := map[string]string{
		"kustomization.yaml": "resources: [a.yaml]\ntransformers: [t]\n", "a.yaml": configMap("a"),
		"t/kustomization.yaml": "resources: [t.yaml]\n",
		"t/t.yaml":             "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\npath: " + url + "/p.yaml\n",
	}
	_, _, err := build(t, New(Config{AllowLoopback: true}), files, Options{})
	if err == nil || !strings.Contains(err.Error(), ErrRemoteBases.Error()) || requests.Load() != 0 {
		t.Errorf("got %v after %d requests", err, requests.Load())
	}
}

func TestRemoteErrors(t *testing.T) {
	url, _ := server(t, map[string]string{"/large.yaml": strings.Repeat("x", 5000)})
	cases := map[string]struct {
		ref  string
		c    Config
		is   error
		text string
	}{
		"loopback":                     {ref: url + "/a.yaml", is: ErrAddress},
		"a name of loopback":           {ref: strings.Replace(url, "127.0.0.1", "localhost", 1) + "/a.yaml", is: ErrAddress},
		"metadata":                     {ref: "http://169.254.169.254/a.yaml", c: Config{AllowLoopback: true}, is: ErrAddress},
		"a way to metadata":            {ref: url + "/metadata", c: Config{AllowLoopback: true}, is: ErrAddress},
		"a repository on loopback":     {ref: "https://localhost/org/repo.git", c: Config{Repositories: repositories{}}, is: ErrAddress},
		"a repository at metadata":     {ref: "ssh://git@169.254.169.254/org/repo", c: Config{Repositories: repositories{}}, is: ErrAddress},
		"a repository at another, scp": {ref: "git@100.100.100.200:org/repo", c: Config{Repositories: repositories{}}, is: ErrAddress},
		"redirects for ever":           {ref: url + "/loop", c: Config{AllowLoopback: true}, text: "too many redirects"},
		"not found":                    {ref: url + "/none.yaml", c: Config{AllowLoopback: true}, text: "HTTP status 404"},
		"too large":                    {ref: url + "/large.yaml", c: Config{AllowLoopback: true, Limits: Limits{File: 4096}}, is: ErrLimit},
		"nobody fetches":               {ref: "https://git.example/org/repo.git", is: ErrNoFetcher},
		"credentials are cut":          {ref: "https://user:hunter2@git.example/org/repo.git", text: "user:xxxxx@git.example"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := build(t, New(c.c), map[string]string{"kustomization.yaml": "resources: ['" + c.ref + "']\n"}, Options{})
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error tells a password")
			}
		})
	}
}

func TestLocalNamesLikeRepositories(t *testing.T) {
	files := map[string]string{
		"kustomization.yaml": "resources: [github.com/org/repo, me@here.yaml]\n", "me@here.yaml": configMap("me"),
		"github.com/org/repo/kustomization.yaml": "resources: [a.yaml]\n", "github.com/org/repo/a.yaml": configMap("a"),
	}
	_, order, err := build(t, New(Config{NoRemoteBases: true}), files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ConfigMap//a", "ConfigMap//me"}, order); diff != "" {
		t.Error(diff)
	}
}

func TestAllowed(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34": true, "10.0.0.7": true, "2001:db8::1": true,
		"127.0.0.1": false, "::1": false, "169.254.169.254": false, "fe80::1": false, "0.0.0.0": false, "::": false,
		"fd00:ec2::254": false, "100.100.100.200": false, "224.0.0.1": false,
	} {
		if got := (&web{}).allowed(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %v", address, got)
		}
	}
}

func TestParseRepository(t *testing.T) {
	for text, want := range map[string]repository{
		"https://github.com/org/repo//a/b?ref=v1":              {"https://github.com/org/repo", "a/b", "v1"},
		"https://github.com/org/repo/a/b?version=v1":           {"https://github.com/org/repo", "a/b", "v1"},
		"https://git.example/group/sub/repo.git/a?ref=x":       {"https://git.example/group/sub/repo.git", "a", "x"},
		"https://dev.azure.com/org/project/_git/repo/a":        {"https://dev.azure.com/org/project/_git/repo", "a", ""},
		"git::https://git.example/org/repo.git":                {"https://git.example/org/repo.git", ".", ""},
		"git@git.example:org/repo/a":                           {"git@git.example:org/repo", "a", ""},
		"ssh://git@git.example/org/repo//a?ref=main&timeout=5": {"ssh://git@git.example/org/repo", "a", "main"},
	} {
		got, err := parseRepository(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	if _, err := parseRepository("https://git.example/org/repo//../../x"); err == nil {
		t.Error("a folder outside of the repository is accepted")
	}
}
