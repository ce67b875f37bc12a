package external

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/transport"
)

var owner = artifacts.Owner{Kind: "ExternalArtifact", Namespace: "ns", Name: "app"}

// world is a server of artifacts and a fetcher with an empty store.
type world struct {
	*Fetcher
	t      *testing.T
	url    string
	serve  atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int64
	woken  chan artifacts.Owner
	warned []artifacts.Warning
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	store, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, woken: make(chan artifacts.Owner, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		(*w.serve.Load())(rw, r)
	}))
	w.url = server.URL + "/externalartifact/ns/app/1.tar.gz"
	c := Config{
		Store: store, Hosts: transport.NewHosts(), Retries: 2, Wake: func(o artifacts.Owner) { w.woken <- o },
		Warn: func(_ artifacts.Owner, warnings []artifacts.Warning) { w.warned = warnings },
	}
	for _, f := range change {
		f(&c)
	}
	w.Fetcher = New(c)
	w.timing.minDelay, w.timing.maxDelay = time.Millisecond, time.Millisecond
	t.Cleanup(server.Close)
	t.Cleanup(w.Close)
	return w
}

func (w *world) answer(h http.HandlerFunc) { w.serve.Store(&h) }

// content is a handler that serves some bytes.
func content(data []byte) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(data) }
}

// offer describes an archive at the server of the world.
func (w *world) offer(archive []byte) Artifact {
	sum := sha256.Sum256(archive)
	return Artifact{URL: w.url, Revision: "1", Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(archive))}
}

// obtain asks until there is a tree or a failure that counts.
func (w *world) obtain(a Artifact) (map[string]string, error) {
	w.t.Helper()
	for {
		tree, release, err := w.Open(owner, a)
		if err == nil {
			defer release()
			return filesOf(w.t, tree), nil
		}
		failure, failed := errors.AsType[*Failure](err)
		switch {
		case failed && failure.After == 0:
			return nil, err
		case !failed && !errors.Is(err, ErrPending):
			w.t.Fatalf("got %v, which is neither pending nor a failure", err)
		case failed && failure.After < patience:
			continue // its delay is a millisecond
		}
		<-w.woken
	}
}

func filesOf(t *testing.T, tree *artifacts.Tree) map[string]string {
	found := make(map[string]string)
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := tree.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := strings.TrimPrefix(dir+"/"+e.Name(), "./")
			if e.IsDir() {
				walk(name)
				continue
			}
			data, err := tree.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found[name] = string(data)
		}
	}
	walk(".")
	return found
}

// archive returns a tar.gz of headers; that of a file has its content as link name.
func archive(t *testing.T, headers ...tar.Header) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, h := range headers {
		body := ""
		if h.Typeflag == tar.TypeReg {
			body, h.Linkname = h.Linkname, ""
			h.Size = int64(len(body))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func file(name, body string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Linkname: body}
}

func TestAnArtifactIsFetchedOnce(t *testing.T) {
	w := newWorld(t)
	data := archive(t, file("a.yaml", "a"), tar.Header{Typeflag: tar.TypeSymlink, Name: "b.yaml", Linkname: "a.yaml"})
	w.answer(content(data))
	a := w.offer(data)
	if _, _, err := w.Open(owner, a); !errors.Is(err, ErrPending) {
		t.Fatalf("got %v, want ErrPending", err)
	}
	files, err := w.obtain(a)
	if err != nil || len(files) != 1 || files["a.yaml"] != "a" {
		t.Fatalf("got %v, %v", files, err)
	}
	if _, err := w.obtain(a); err != nil || w.asked.Load() != 1 {
		t.Errorf("%v; the server was asked %d times", err, w.asked.Load())
	}
	if len(w.warned) != 1 || w.warned[0].Path != "b.yaml" {
		t.Errorf("the warnings are %v", w.warned)
	}
	stored, ok := w.Store.Newest(owner)
	if !ok || stored.Digest != a.Digest || stored.Size != a.Size || stored.Revision != "1" {
		t.Errorf("the store has %+v", stored)
	}
}

func TestDigests(t *testing.T) {
	w := newWorld(t)
	data := archive(t, file("a.yaml", "a"))
	w.answer(content(data))
	sum256, sum384, sum512 := sha256.Sum256(data), sha512.Sum384(data), sha512.Sum512(data)
	for digest, want := range map[string]error{
		"sha256:" + hex.EncodeToString(sum256[:]):        nil,
		"sha384:" + hex.EncodeToString(sum384[:]):        nil,
		"sha512:" + hex.EncodeToString(sum512[:]):        nil,
		"sha256:" + hex.EncodeToString(make([]byte, 32)): ErrDigest,
		"sha512:" + hex.EncodeToString(sum256[:]):        ErrConfig,
		"md5:d41d8cd98f00b204e9800998ecf8427e":           ErrConfig,
		"sha256:xyz":                                     ErrConfig,
		"":                                               ErrConfig,
	} {
		if _, err := w.obtain(Artifact{URL: w.url, Digest: digest}); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", digest, err, want)
		}
	}
}

func TestBadArtifacts(t *testing.T) {
	good := archive(t, file("a.yaml", strings.Repeat("some text ", 1000)))
	evil := func(headers ...tar.Header) []byte { return archive(t, headers...) }
	tests := map[string]struct {
		data []byte
		size int64 // that is told; zero for the true one, negative for none
		want error
	}{
		"truncated":                   {data: good[:len(good)-4], want: artifacts.ErrArchive},
		"no archive":                  {data: []byte("kind: Namespace"), want: artifacts.ErrArchive},
		"nothing":                     {data: nil, size: -1, want: artifacts.ErrArchive},
		"a bomb":                      {data: evil(file("zeros", string(make([]byte, 8<<20)))), want: artifacts.ErrLimit},
		"a way up":                    {data: evil(file("../../etc/passwd", "x")), want: artifacts.ErrBadPath},
		"an absolute name":            {data: evil(file("/etc/passwd", "x")), want: artifacts.ErrBadPath},
		"twins":                       {data: evil(file("a", "1"), file("A", "2")), want: artifacts.ErrBadPath},
		"a device":                    {data: evil(tar.Header{Typeflag: tar.TypeChar, Name: "null"}), want: artifacts.ErrArchive},
		"more than it says":           {data: good, size: 10, want: artifacts.ErrLimit},
		"more than a source may have": {data: evil(file("big", strings.Repeat("0123456789", 2_000_000))), want: artifacts.ErrLimit},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.Limits = artifacts.Limits{Bytes: 16 << 20} })
			w.answer(content(test.data))
			a := w.offer(test.data)
			if test.size != 0 {
				a.Size = max(test.size, 0)
			}
			if _, err := w.obtain(a); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if _, ok := w.Store.Newest(owner); ok {
				t.Error("something got into the store")
			}
		})
	}
}

// A server that promises one archive and sends another is caught, whatever is in it.
func TestTheDigestCountsFirst(t *testing.T) {
	w := newWorld(t)
	a := w.offer(archive(t, file("a.yaml", "a")))
	a.Size = 0
	for name, data := range map[string][]byte{
		"another archive": archive(t, file("a.yaml", "b")),
		"a part":          archive(t, file("a.yaml", "a"))[:30],
		"trailing bytes":  append(archive(t, file("a.yaml", "a")), 'x'),
		"no archive":      []byte("<html>a captive portal</html>"),
	} {
		w.answer(content(data))
		if _, err := w.obtain(a); !errors.Is(err, ErrDigest) {
			t.Errorf("%s: got %v, want ErrDigest", name, err)
		}
		w.drop(owner)
	}
}

func TestServersThatMisbehave(t *testing.T) {
	data := archive(t, file("a.yaml", strings.Repeat("random ", 10)))
	secret := "token=hidden"
	tests := map[string]struct {
		answer http.HandlerFunc
		want   string
		tries  int64
		timing func(*timing)
	}{
		"not found": {answer: http.NotFound, want: "artifact not found", tries: 1},
		"an error": {
			answer: func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "hidden", http.StatusBadGateway) },
			want:   "the server answered 502 Bad Gateway", tries: 3,
		},
		"silence before the answer": {
			answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			timing: func(t *timing) { t.silence = 20 * time.Millisecond }, want: "the server sends nothing", tries: 3,
		},
		"silence within the answer": {
			answer: func(rw http.ResponseWriter, r *http.Request) {
				_, _ = rw.Write(data[:20])
				rw.(http.Flusher).Flush()
				<-r.Context().Done()
			},
			timing: func(t *timing) { t.silence = 50 * time.Millisecond }, want: "the server sends nothing", tries: 3,
		},
		"slow for long": {
			answer: func(rw http.ResponseWriter, r *http.Request) {
				for i := 0; r.Context().Err() == nil; i++ {
					_, _ = rw.Write(data[i%len(data) : i%len(data)+1])
					rw.(http.Flusher).Flush()
					<-time.After(time.Millisecond)
				}
			},
			timing: func(t *timing) { t.longest = 50 * time.Millisecond }, want: "the server is too slow", tries: 3,
		},
		"a drip": {
			answer: func(rw http.ResponseWriter, r *http.Request) {
				for i := 0; r.Context().Err() == nil; i++ {
					_, _ = rw.Write(data[i%len(data) : i%len(data)+1])
					rw.(http.Flusher).Flush()
					<-time.After(5 * time.Millisecond)
				}
			},
			timing: func(t *timing) { t.silence = 300 * time.Millisecond }, want: "the server is too slow", tries: 3,
		},
		"a hang-up": {
			answer: func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Length", fmt.Sprint(len(data)))
				_, _ = rw.Write(data[:20])
				panic(http.ErrAbortHandler)
			},
			want: "EOF", tries: 3,
		},
		"a circle": {
			answer: func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, r.URL.String(), http.StatusFound) },
			want:   "too many redirects",
		},
		"the metadata server": {
			answer: func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
			},
			want: "address refused", tries: 3,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if test.timing != nil {
				test.timing(&w.timing)
			}
			w.answer(test.answer)
			a := w.offer(data)
			a.URL = strings.Replace(a.URL, "http://", "http://user:hidden@", 1) + "?" + secret
			a.Size = 0
			_, err := w.obtain(a)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if got := w.asked.Load(); test.tries > 0 && got != test.tries {
				t.Errorf("the server was asked %d times, want %d", got, test.tries)
			}
		})
	}
}

func TestAServerThatSendsWithoutEnd(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits = artifacts.Limits{Bytes: 1 << 20} })
	good := archive(t, file("a.yaml", "a"))
	sent := make(chan int, 1)
	w.answer(func(rw http.ResponseWriter, _ *http.Request) {
		n, chunk := len(good), make([]byte, 64<<10)
		_, _ = rw.Write(good)
		for {
			more, err := rw.Write(chunk)
			if n += more; err != nil {
				sent <- n
				return
			}
		}
	})
	a := w.offer(good)
	a.Size = 0
	if _, err := w.obtain(a); !errors.Is(err, artifacts.ErrLimit) {
		t.Errorf("got %v, want ErrLimit", err)
	}
	if n := <-sent; n > 16<<20 {
		t.Errorf("%d bytes were sent", n)
	}
}

func TestRedirectsLeadToOtherHosts(t *testing.T) {
	w := newWorld(t)
	data := archive(t, file("a.yaml", "a"))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("credentials went to another host")
		}
		_, _ = rw.Write(data)
	}))
	t.Cleanup(elsewhere.Close)
	w.answer(func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, elsewhere.URL, http.StatusFound) })
	a := w.offer(data)
	a.URL = strings.Replace(a.URL, "http://", "http://user:password@", 1)
	if _, err := w.obtain(a); err != nil {
		t.Error(err)
	}
}

func TestItRecovers(t *testing.T) {
	w := newWorld(t)
	data := archive(t, file("a.yaml", "a"))
	w.answer(http.NotFound)
	a := w.offer(data)
	if _, err := w.obtain(a); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	w.answer(content(data))
	for { // the failure is told until the next try has ended well
		_, release, err := w.Open(owner, a)
		if err == nil {
			release()
			break
		}
		if !errors.Is(err, ErrNotFound) {
			t.Fatalf("got %v", err)
		}
		select {
		case <-w.woken:
		case <-time.After(time.Millisecond): // until the delay of the first try is over
		}
	}
}

// A new artifact of an owner ends the fetch of the old one.
func TestTheNewestIsWanted(t *testing.T) {
	w := newWorld(t)
	stuck, gone := make(chan struct{}), make(chan struct{})
	old, data := archive(t, file("a.yaml", "old")), archive(t, file("a.yaml", "new"))
	w.answer(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/2.tar.gz") {
			_, _ = rw.Write(data)
			return
		}
		close(stuck)
		<-r.Context().Done()
		close(gone)
	})
	if _, _, err := w.Open(owner, w.offer(old)); !errors.Is(err, ErrPending) {
		t.Fatal(err)
	}
	<-stuck
	a := w.offer(data)
	a.URL = strings.Replace(a.URL, "/1.", "/2.", 1)
	files, err := w.obtain(a)
	if err != nil || files["a.yaml"] != "new" {
		t.Errorf("got %v, %v", files, err)
	}
	<-gone
}

// Servers that hang keep no one from other artifacts, as long as there are slots.
func TestSlots(t *testing.T) {
	w := newWorld(t)
	data := archive(t, file("a.yaml", "a"))
	var inside atomic.Int64
	full := make(chan struct{})
	w.answer(func(_ http.ResponseWriter, r *http.Request) {
		if inside.Add(1) == slots {
			close(full)
		}
		<-r.Context().Done()
	})
	for i := range slots + 3 {
		o := artifacts.Owner{Kind: "ExternalArtifact", Namespace: "ns", Name: fmt.Sprint(i)}
		if _, _, err := w.Open(o, w.offer(data)); !errors.Is(err, ErrPending) {
			t.Fatal(err)
		}
	}
	<-full
	w.Close() // ends those inside and those who wait
	if got := inside.Load(); got != slots {
		t.Errorf("%d at a time, want %d", got, slots)
	}
}

func TestTheHostCanBeReplaced(t *testing.T) {
	data := archive(t, file("a.yaml", "a"))
	w := newWorld(t)
	w.answer(content(data))
	u, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	w.Host = u.Host
	a := w.offer(data)
	a.URL = "http://source-controller.flux-system.svc/externalartifact/ns/app/1.tar.gz"
	if _, err := w.obtain(a); err != nil {
		t.Error(err)
	}
}

func TestBadURLs(t *testing.T) {
	w := newWorld(t)
	for _, bad := range []string{"", "/x", "ftp://host/x", "file:///etc/passwd", "http:///x", "://"} {
		a := w.offer(nil)
		a.URL = bad
		if _, err := w.obtain(a); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: got %v, want ErrConfig", bad, err)
		}
	}
}

func TestDelays(t *testing.T) {
	real := New(Config{}).timing
	var got []time.Duration
	for tries := 1; tries <= 5; tries++ {
		got = append(got, real.delay(tries)/time.Second)
	}
	if fmt.Sprint(got) != "[5ns 10ns 20ns 30ns 30ns]" {
		t.Errorf("the delays are %v", got)
	}
	now := time.Now()
	for name, test := range map[string]struct {
		w    want
		want time.Duration
	}{
		"after a failure":       {want{tries: 1, next: now.Add(5 * time.Second)}, 5 * time.Second},
		"while it is tried":     {want{tries: 1, running: true}, patience},
		"after too many":        {want{tries: 10, running: true}, 0},
		"when it will not help": {want{tries: 1, final: true, next: now.Add(5 * time.Second)}, 0},
	} {
		if got := test.w.after(9, now); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}
