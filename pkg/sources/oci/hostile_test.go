package oci_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/oci"
	"github.com/fluxd/fluxd/pkg/sources/oci/ocitest"
)

// limits are small enough to be exceeded by a test.
var limits = artifacts.Limits{Bytes: 1 << 20, Files: 50, Path: 100, Depth: 5}

func file(name, content string) ocitest.Entry { return ocitest.Entry{Name: name, Content: content} }

func TestUnpack(t *testing.T) {
	link := ocitest.Entry{Name: "link", Type: tar.TypeSymlink, Link: "/etc/passwd"}
	hard := func(name, target string) ocitest.Entry {
		return ocitest.Entry{Name: name, Type: tar.TypeLink, Link: target}
	}
	many := func(n int, name string) (all []ocitest.Entry) {
		for i := range n {
			all = append(all, file(fmt.Sprintf(name, i), "x"))
		}
		return all
	}
	deep := strings.Repeat("d/", 6) + "f"
	tests := map[string]struct {
		layer []byte
		want  map[string]string
		kind  error
	}{
		"directories and dots": {ocitest.TarGz(ocitest.Entry{Name: "./", Type: tar.TypeDir}, file("./a/b", "1"), file("c//d", "2")),
			map[string]string{"a/b": "1", "c/d": "2"}, nil},
		"nothing":                {ocitest.TarGz(), map[string]string{}, nil},
		"a header of Git":        {ocitest.TarGz(ocitest.Entry{Name: "pax_global_header", Type: tar.TypeXGlobalHeader, Content: "0123"}, file("a", "1")), map[string]string{"a": "1"}, nil},
		"symbolic links":         {ocitest.TarGz(link, file("a", "1")), map[string]string{"a": "1"}, nil},
		"through a link":         {ocitest.TarGz(ocitest.Entry{Name: "d", Type: tar.TypeSymlink, Link: "/"}, file("d/a", "1")), map[string]string{"d/a": "1"}, nil},
		"hard links":             {ocitest.TarGz(file("a/b", "1"), hard("c/d", "a/b")), map[string]string{"a/b": "1", "c/d": "1"}, nil},
		"hard links to nothing":  {ocitest.TarGz(file("a", "1"), hard("b", "gone")), map[string]string{"a": "1"}, nil},
		"hard links out":         {ocitest.TarGz(hard("b", "../../etc/passwd")), nil, artifacts.ErrBadPath},
		"absolute hard links":    {ocitest.TarGz(hard("b", "/etc/passwd")), nil, artifacts.ErrBadPath},
		"devices":                {ocitest.TarGz(ocitest.Entry{Name: "null", Type: tar.TypeChar}), nil, artifacts.ErrArchive},
		"pipes":                  {ocitest.TarGz(ocitest.Entry{Name: "pipe", Type: tar.TypeFifo}), nil, artifacts.ErrArchive},
		"parents":                {ocitest.TarGz(file("../a", "1")), nil, artifacts.ErrBadPath},
		"parents within":         {ocitest.TarGz(file("a/../../b", "1")), nil, artifacts.ErrBadPath},
		"absolute":               {ocitest.TarGz(file("/etc/passwd", "1")), nil, artifacts.ErrBadPath},
		"backslashes":            {ocitest.TarGz(file(`a\b`, "1")), nil, artifacts.ErrBadPath},
		"parents of directories": {ocitest.TarGz(ocitest.Entry{Name: "../d", Type: tar.TypeDir}), nil, artifacts.ErrBadPath},
		"case twins":             {ocitest.TarGz(file("Readme", "1"), file("README", "2")), nil, artifacts.ErrBadPath},
		"twice":                  {ocitest.TarGz(file("a", "1"), file("a", "2")), nil, artifacts.ErrBadPath},
		"file and directory":     {ocitest.TarGz(file("a", "1"), file("a/b", "2")), nil, artifacts.ErrBadPath},
		"too many bytes":         {ocitest.TarGz(file("a", strings.Repeat("x", 2<<20))), nil, oci.ErrTooLarge},
		"too many together":      {ocitest.TarGz(file("a", strings.Repeat("x", 700<<10)), file("b", strings.Repeat("y", 700<<10))), nil, oci.ErrTooLarge},
		"too many files":         {ocitest.TarGz(many(51, "f%d")...), nil, oci.ErrTooLarge},
		"too many directories":   {ocitest.TarGz(dirs(201)...), nil, oci.ErrTooLarge},
		"too deep":               {ocitest.TarGz(file(deep, "1")), nil, oci.ErrTooLarge},
		"too long":               {ocitest.TarGz(file(strings.Repeat("n", 101), "1")), nil, oci.ErrTooLarge},
		"a sparse file":          {ocitest.Gzip(sparse(t, 1000)), map[string]string{"sparse": strings.Repeat("\x00", 1000)}, nil},
		"a sparse bomb":          {ocitest.Gzip(sparse(t, 1<<40)), nil, oci.ErrTooLarge},
		"not compressed":         {ocitest.Tar(file("a", "1")), nil, artifacts.ErrArchive},
		"empty":                  {nil, nil, artifacts.ErrArchive},
		"not an archive":         {ocitest.Gzip(bytes.Repeat([]byte("text"), 1000)), nil, artifacts.ErrArchive},
		"cut in the archive":     {ocitest.Gzip(ocitest.Tar(file("a", strings.Repeat("1", 2000)))[:1500]), nil, artifacts.ErrArchive},
		"cut in the compression": {cut(ocitest.TarGz(file("a", strings.Repeat("1", 2000)))), nil, artifacts.ErrArchive},
		"corrupt":                {flip(ocitest.TarGz(file("a", strings.Repeat("1", 2000)))), nil, artifacts.ErrArchive},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			registry := newRegistry(t)
			registry.Push(apps, "latest", ocitest.Image{Layers: []ocitest.Layer{{Content: test.layer}}})
			r := open(t, registry.URL(apps), oci.Options{Limits: limits})
			_, tree, err := extract(t.Context(), r, newStore(t), oci.Ref{}, "")
			if test.kind != nil || err != nil {
				if !errors.Is(err, test.kind) {
					t.Errorf("got %v, want %v", err, test.kind)
				}
				return
			}
			if diff := cmp.Diff(test.want, files(t, tree)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func dirs(n int) (all []ocitest.Entry) {
	for i := range n {
		all = append(all, ocitest.Entry{Name: fmt.Sprintf("d%d/", i), Type: tar.TypeDir})
	}
	return all
}

func cut(b []byte) []byte { return b[:len(b)-12] }

func flip(b []byte) []byte {
	b[len(b)-6] ^= 0xff // in the checksum
	return b
}

// sparse returns an archive with a file of zeros that takes no room in it, in the form
// of GNU tar.
func sparse(t *testing.T, size int64) []byte {
	t.Helper()
	archive := ocitest.Tar(file("sparse", ""))
	header := archive[:512]
	header[156] = 'S'
	copy(header[257:], "ustar  \x00")
	// One entry of the map: no bytes, at the end; and the real size.
	copy(header[386:], fmt.Sprintf("%s%s", number(size), number(0)))
	copy(header[483:], number(size))
	copy(header[148:], "        ")
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	return archive
}

// number returns a number as GNU tar writes large ones.
func number(n int64) string {
	b := make([]byte, 12)
	b[0] = 0x80
	for i := 11; n > 0; i-- {
		b[i] = byte(n)
		n >>= 8
	}
	return string(b)
}

func TestCompressionBomb(t *testing.T) {
	registry := newRegistry(t)
	bomb := ocitest.TarGz(file("zeros", strings.Repeat("\x00", 20<<20)))
	registry.Push(apps, "latest", ocitest.Image{Layers: []ocitest.Layer{{Content: bomb}}})
	r := open(t, registry.URL(apps), oci.Options{})
	_, _, err := extract(t.Context(), r, newStore(t), oci.Ref{}, "")
	if !errors.Is(err, oci.ErrTooLarge) || !strings.Contains(err.Error(), "times as long") {
		t.Errorf("got %v", err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	registry := newRegistry(t)
	registry.PushFiles(apps, "latest", map[string]string{"zeros": strings.Repeat("\x00", 1<<20)})
	for capacity, kind := range map[int64]error{512 << 10: oci.ErrTooLarge, 8 << 20: nil} {
		share := artifacts.NewHeadroom(capacity).Share()
		r := open(t, registry.URL(apps), oci.Options{Memory: share})
		_, _, err := extract(t.Context(), r, newStore(t), oci.Ref{}, "")
		if !errors.Is(err, kind) {
			t.Errorf("with %d bytes of memory: %v", capacity, err)
		}
		share.Leave()
	}
}

func TestIgnored(t *testing.T) {
	layer := map[string]string{
		"logo.png": "", "deploy/app.yaml": "1", "deploy/secret/key.yaml": "2", "docs/x.md": "3", ".git/HEAD": "4",
	}
	nested := map[string]string{".sourceignore": "/*\n!/deploy\n", "deploy/.sourceignore": "secret/\n"}
	tests := map[string]struct {
		more     map[string]string
		patterns string
		want     []string
	}{
		"by default":                 {nil, "", []string{"deploy/app.yaml", "deploy/secret/key.yaml", "docs/x.md"}},
		"by the files within":        {nested, "", []string{"deploy/.sourceignore", "deploy/app.yaml"}},
		"by the object":              {nil, "docs/\n", []string{"deploy/app.yaml", "deploy/secret/key.yaml", "logo.png"}},
		"by both, the object's last": {nested, "*\n!docs/\n", []string{"docs/x.md"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{}
			for _, from := range []map[string]string{layer, test.more} {
				for k, v := range from {
					all[k] = v
				}
			}
			registry := newRegistry(t)
			registry.PushFiles(apps, "latest", all)
			_, tree, err := extract(t.Context(), open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{}, test.patterns)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for _, name := range test.want {
				want[name] = all[name]
			}
			if diff := cmp.Diff(want, files(t, tree)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWrongContent(t *testing.T) {
	good := ocitest.TarGz(file("a", "1"))
	other := ocitest.TarGz(file("a", "2"))
	tests := map[string]func(*ocitest.Registry, string){
		"another layer":   func(r *ocitest.Registry, _ string) { r.Corrupt(ocitest.DigestOf(good), other) },
		"a longer layer":  func(r *ocitest.Registry, _ string) { r.Corrupt(ocitest.DigestOf(good), append(other, good...)) },
		"a shorter layer": func(r *ocitest.Registry, _ string) { r.Corrupt(ocitest.DigestOf(good), good[:20]) },
		"garbage": func(r *ocitest.Registry, _ string) {
			r.Corrupt(ocitest.DigestOf(good), bytes.Repeat([]byte("x"), len(good)))
		},
		"another manifest": func(r *ocitest.Registry, sum string) {
			r.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
				if req.Method != http.MethodGet || !strings.HasSuffix(req.URL.Path, sum) {
					return false
				}
				w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
				_, _ = w.Write([]byte(`{"schemaVersion":2,"layers":[]}`))
				return true
			})
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			registry := newRegistry(t)
			sum := registry.Push(apps, "latest", ocitest.Image{Layers: []ocitest.Layer{{Content: good}}})
			spoil(registry, sum)
			_, _, err := extract(t.Context(), open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{}, "")
			if err == nil {
				t.Fatal("it was taken for what it is not")
			}
			if !errors.Is(err, oci.ErrDigest) && !strings.Contains(err.Error(), "mismatch") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestImpossibleLayers(t *testing.T) {
	tests := map[string]struct {
		layers string
		kind   error
	}{
		"a negative size":  {`[{"mediaType":"a","digest":"` + ocitest.DigestOf(nil) + `","size":-1}]`, oci.ErrDigest},
		"a malformed sum":  {`[{"mediaType":"a","digest":"sha256:../../x","size":1}]`, oci.ErrDigest},
		"a huge size":      {`[{"mediaType":"a","digest":"` + ocitest.DigestOf(nil) + `","size":99999999999999}]`, oci.ErrTooLarge},
		"not there":        {`[{"mediaType":"a","digest":"` + ocitest.DigestOf(nil) + `","size":1}]`, oci.ErrNotFound},
		"no layers":        {`[]`, oci.ErrLayer},
		"not a list":       {`"x"`, oci.ErrManifest},
		"not even a value": {`[`, oci.ErrManifest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			registry := newRegistry(t)
			const mediaType = "application/vnd.oci.image.manifest.v1+json"
			registry.PushManifest(apps, "latest", mediaType, []byte(`{"schemaVersion":2,"mediaType":"`+mediaType+`","layers":`+test.layers+`}`))
			_, _, err := extract(t.Context(), open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{}, "")
			if !errors.Is(err, test.kind) {
				t.Errorf("got %v, want %v", err, test.kind)
			}
		})
	}
}

func TestManifestBounds(t *testing.T) {
	registry := newRegistry(t)
	const mediaType = "application/vnd.oci.image.manifest.v1+json"
	registry.PushManifest(apps, "large", mediaType, []byte(`{"schemaVersion":2,"annotations":{"a":"`+strings.Repeat("x", 5<<20)+`"}}`))
	registry.PushManifest(apps, "other", "text/html", []byte(`<html>`))
	sum := registry.PushFiles(apps, "", nil)
	for range 4 {
		sum = registry.PushIndex(apps, "nested", map[string]string{"linux/amd64": sum})
	}
	for tag, kind := range map[string]error{"large": oci.ErrTooLarge, "other": oci.ErrManifest, "nested": oci.ErrTooLarge} {
		_, _, err := extract(t.Context(), open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{Tag: tag}, "")
		if !errors.Is(err, kind) {
			t.Errorf("%s: got %v, want %v", tag, err, kind)
		}
	}
}

func TestSlowServers(t *testing.T) {
	layer := ocitest.TarGz(file("a", "1"))
	blob := "/blobs/" + ocitest.DigestOf(layer)
	// hold keeps a request open until the client has gone.
	hold := func(w http.ResponseWriter, req *http.Request) {
		w.(http.Flusher).Flush()
		<-req.Context().Done()
	}
	tests := map[string]func(http.ResponseWriter, *http.Request) bool{
		"no answer": func(_ http.ResponseWriter, req *http.Request) bool {
			<-req.Context().Done()
			return true
		},
		"no body of a manifest": func(w http.ResponseWriter, req *http.Request) bool {
			if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/manifests/") {
				return false
			}
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Content-Length", "100")
			hold(w, req)
			return true
		},
		"half a layer": func(w http.ResponseWriter, req *http.Request) bool {
			if !strings.HasSuffix(req.URL.Path, blob) {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(layer)))
			_, _ = w.Write(layer[:len(layer)/2])
			hold(w, req)
			return true
		},
	}
	for name, intercept := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := newRegistry(t)
			registry.Push(apps, "latest", ocitest.Image{Layers: []ocitest.Layer{{Content: layer}}})
			registry.Intercept(intercept)
			_, _, err := extract(soon(t), open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{}, "")
			if !errors.Is(err, oci.ErrTimeout) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLargeLayersMayTakeTheirTime(t *testing.T) {
	noise := make([]byte, 256<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	for name, test := range map[string]struct {
		content string
		kind    error
	}{"large": {string(noise), nil}, "small": {"x", oci.ErrTimeout}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := newRegistry(t)
			sum := registry.PushFiles(apps, "latest", map[string]string{"a": test.content})
			r := open(t, registry.URL(apps), oci.Options{})
			m, err := r.Manifest(t.Context(), sum)
			if err != nil {
				t.Fatal(err)
			}
			ctx := soon(t)
			registry.Intercept(func(_ http.ResponseWriter, req *http.Request) bool {
				<-ctx.Done()
				if test.kind != nil {
					<-req.Context().Done() // it is not waited for
				}
				return false
			})
			if _, _, err = r.Extract(ctx, m.Layers[0], newStore(t), ""); !errors.Is(err, test.kind) {
				t.Errorf("got %v, want %v", err, test.kind)
			}
		})
	}
}

func TestCancellation(t *testing.T) {
	registry := newRegistry(t)
	registry.PushFiles(apps, "latest", map[string]string{"a": "b"})
	ctx, cancel := context.WithCancel(t.Context())
	registry.Intercept(func(_ http.ResponseWriter, req *http.Request) bool {
		if strings.Contains(req.URL.Path, "/blobs/") {
			cancel()
			<-req.Context().Done()
		}
		return false
	})
	_, _, err := extract(ctx, open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{}, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCutConnections(t *testing.T) {
	layer := ocitest.TarGz(file("a", "1"))
	registry := newRegistry(t)
	registry.Push(apps, "latest", ocitest.Image{Layers: []ocitest.Layer{{Content: layer}}})
	registry.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/blobs/") {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(layer)))
		_, _ = w.Write(layer[:len(layer)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	_, _, err := extract(t.Context(), open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{}, "")
	if !errors.Is(err, oci.ErrDigest) {
		t.Errorf("got %v", err)
	}
}

func TestBadLines(t *testing.T) {
	noise := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	layer := ocitest.TarGz(file("a", string(noise)))
	tests := map[string]struct {
		cuts int
		kind error
	}{"a few cuts": {3, nil}, "too many": {100, oci.ErrDigest}}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			registry := newRegistry(t)
			registry.Push(apps, "latest", ocitest.Image{Layers: []ocitest.Layer{{Content: layer}}})
			registry.RequireToken("", "")
			cuts, sent := 0, 0
			registry.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
				authorized := req.Header.Get("Authorization") != ""
				if cuts == test.cuts || !authorized || !strings.Contains(req.URL.Path, "/blobs/") {
					return false
				}
				cuts++
				from := 0
				_, err := fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &from)
				w.Header().Set("Content-Length", fmt.Sprint(len(layer)-from))
				if err == nil {
					w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(layer)-1, len(layer)))
					w.WriteHeader(http.StatusPartialContent)
				}
				if from != sent {
					t.Errorf("%d bytes were sent, and the rest is asked for from %d on", sent, from)
				}
				_, _ = w.Write(layer[from : from+1000])
				sent = from + 1000
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			})
			_, tree, err := extract(t.Context(), open(t, registry.URL(apps), oci.Options{}), newStore(t), oci.Ref{}, "")
			if !errors.Is(err, test.kind) {
				t.Fatalf("got %v, want %v", err, test.kind)
			}
			if err == nil && files(t, tree)["a"] != string(noise) {
				t.Error("the file is another one")
			}
		})
	}
}

func TestRedirectLoops(t *testing.T) {
	registry := newRegistry(t)
	registry.PushFiles(apps, "latest", nil)
	registry.Intercept(func(w http.ResponseWriter, req *http.Request) bool {
		http.Redirect(w, req, req.URL.Path, http.StatusTemporaryRedirect)
		return true
	})
	_, err := open(t, registry.URL(apps), oci.Options{}).Resolve(t.Context(), oci.Ref{})
	if err == nil {
		t.Error("it went in circles and arrived")
	}
	if n := len(registry.Requests()); n > 30 {
		t.Errorf("it went round %d times", n)
	}
}

func TestErrorsOfTheServerAreBounded(t *testing.T) {
	registry := newRegistry(t)
	registry.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `{"errors":[{"code":"UNKNOWN","message":"%s %s https://user:pw@h.example/p?token=x"}]}`, password, strings.Repeat("long ", 1000))
		return true
	})
	_, err := open(t, registry.URL(apps), oci.Options{Keychain: login(registry, "me")}).Resolve(t.Context(), oci.Ref{})
	if err == nil || len(err.Error()) > 2000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	leaks(t, err, password, "token=x", "user:pw")
}
