package preview

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/kube"
)

// rights are what the caller may, as "verb resource name", or all of a resource.
type rights []string

// Token implements [door.Reviewer].
func (rights) Token(context.Context, string) (kube.Subject, bool, error) {
	return kube.Subject{User: "ann"}, true, nil
}

// Allowed implements [door.Reviewer].
func (r rights) Allowed(_ context.Context, _ kube.Subject, a kube.Action) (bool, error) {
	for _, right := range r {
		if right == a.Verb+" "+a.Resource+" "+a.Name || right == a.Verb+" "+a.Resource {
			return true, nil
		}
	}
	return false, nil
}

// serve returns a server of previews for a caller with rights.
func (c *cluster) serve(r rights) http.Handler {
	return door.New(door.Config{Reviewer: r, Burst: 1000}).Wrap(NewHandler(c.previews()))
}

func call(h http.Handler, method, path string, body io.Reader) (int, string) {
	req := httptest.NewRequest(method, path, body)
	req.Header.Set("Authorization", "Bearer t")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Code, strings.TrimSpace(rec.Body.String())
}

func TestHandlerRefuses(t *testing.T) {
	c := newCluster(t)
	h := c.serve(rights{"get kustomizations"})
	for name, tt := range map[string]struct {
		method, path string
		status       int
		says         string
	}{
		"another method":     {"DELETE", Path + "apps/app", 405, "GET and POST"},
		"no name":            {"GET", Path + "apps", 400, "the path is not"},
		"more than a name":   {"GET", Path + "apps/app/x", 400, "the path is not"},
		"another parameter":  {"GET", Path + "apps/app?path=/etc", 400, `the parameter "path"`},
		"another value":      {"GET", Path + "apps/app?recursive=maybe", 400, `the parameter "recursive"`},
		"a folder by GET":    {"GET", Path + "apps/app?folder=x", 400, `the parameter "folder"`},
		"a folder at a tag":  {"POST", Path + "apps/app?revision=v1", 400, "a folder has neither"},
		"an unknown object":  {"GET", Path + "apps/none", 404, "Kustomization 'apps/none' not found"},
		"a denied branch":    {"GET", Path + "apps/app?branch=next", 403, `forbidden: "ann" may not patch gitrepositories.source.toolkit.fluxcd.io "repo"`},
		"a branch that fits": {"GET", Path + "apps/app?branch=&output=text", 200, "Kustomization/apps/app"},
	} {
		if status, text := call(h, tt.method, tt.path, nil); status != tt.status || !strings.Contains(text, tt.says) {
			t.Errorf("%s: %d %s, want %d %s", name, status, text, tt.status, tt.says)
		}
	}
	if status, text := call(c.serve(nil), "GET", Path+"apps/app", nil); status != 403 || !strings.Contains(text, `may not get kustomizations.kustomize.toolkit.fluxcd.io "app"`) {
		t.Errorf("without rights: %d %s", status, text)
	}
}

// Fields are for those who may get the object; on another cluster, for those who may get
// what leads there.
func TestHandlerShowsFields(t *testing.T) {
	field := []forecast.Field{{Path: "data.key", Old: "1", New: "2"}}
	for name, tt := range map[string]struct {
		rights rights
		remote string // the Secret, or a ConfigMap if "none"
		shown  bool
	}{
		"may get it":          {rights{"get configmaps mine"}, "", true},
		"may get others":      {rights{"get configmaps other"}, "", false},
		"may get the Secret":  {rights{"get secrets there"}, "there", true},
		"may only get it":     {rights{"get configmaps"}, "there", false},
		"nobody can tell who": {rights{"get configmaps", "get secrets"}, "none", false},
	} {
		t.Run(name, func(t *testing.T) {
			owner := forecast.Owner{Namespace: "apps", Remote: tt.remote != "", RemoteSecret: strings.TrimPrefix(tt.remote, "none")}
			var err error
			h := door.New(door.Config{Reviewer: tt.rights}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				a := access{door.From(req.Context())}
				err = a.Object(req.Context(), owner, forecast.Object{Kind: "ConfigMap", Namespace: "apps", Name: "mine", Resource: "configmaps", Change: field})
			}))
			call(h, "GET", "/", nil)
			equal(t, "shown", tt.shown, err == nil)
		})
	}
}

func archive(t *testing.T, content string) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	err := w.WriteHeader(&tar.Header{Name: "revision", Size: int64(len(content)), Mode: 0o644, Typeflag: tar.TypeReg})
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err != nil || w.Close() != nil || z.Close() != nil {
		t.Fatal("cannot make an archive", err)
	}
	return &out
}

// A folder of the caller is for those who may edit the object or its source.
func TestHandlerTakesFolders(t *testing.T) {
	c := newCluster(t)
	for right, want := range map[string]int{"patch kustomizations app": 200, "patch gitrepositories repo": 200, "patch kustomizations other": 403} {
		status, text := call(c.serve(rights{"get kustomizations", right}), "POST", Path+"apps/app?folder=mine", archive(t, "mine"))
		if status != want {
			t.Errorf("%s: %d %s", right, status, text)
		}
		var report Report
		if status == 200 && (json.Unmarshal([]byte(text), &report) != nil || report.Results[0].Revision != "folder mine") {
			t.Errorf("%s: %s", right, text)
		}
	}
	equal(t, "seen", true, strings.HasPrefix(c.asked[len(c.asked)-1], "look at app mine"))
}

// A folder that is too long is cut off.
func TestUploadIsBounded(t *testing.T) {
	n, err := io.Copy(io.Discard, &limited{r: zeros{}, left: 1000})
	if n != 1000 || err == nil {
		t.Errorf("%d bytes, error %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// While previews are being made, so many wait and no more.
func TestHandlerIsBounded(t *testing.T) {
	c := newCluster(t)
	h := NewHandler(c.previews())
	for range atOnce + queued {
		h.waiting <- struct{}{}
	}
	status, text := call(door.New(door.Config{Reviewer: rights{"get kustomizations"}}).Wrap(h), "GET", Path+"apps/app", nil)
	if status != http.StatusTooManyRequests || text != errBusy.Error() {
		t.Errorf("%d %s", status, text)
	}
}
