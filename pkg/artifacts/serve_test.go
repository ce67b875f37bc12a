package artifacts_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// shop serves one artifact at two paths.
type shop struct {
	*httptest.Server
	store    *artifacts.Store
	artifact artifacts.Artifact
	tree     *artifacts.Tree
	cold     []string
}

const (
	offered = "gitrepository/ns/app/1234.tar.gz"
	latest  = "gitrepository/ns/app/latest.tar.gz"
)

func newShop(t *testing.T, files map[string]string) *shop {
	s := &shop{store: newStore(t, artifacts.Options{Now: func() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }})}
	s.tree = build(t, s.store, files)
	owner := artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: "app"}
	var err error
	if s.artifact, err = s.store.Put(owner, "r1", s.tree, nil); err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(artifacts.NewHandler(s.store, func(path string) (artifacts.Artifact, bool) {
		return s.artifact, path == offered || path == latest
	}, func(o artifacts.Owner) { s.cold = append(s.cold, o.String()) }))
	t.Cleanup(s.Close)
	return s
}

// ask sends a request as it is written, since clients tidy paths.
func (s *shop) ask(t *testing.T, method, target string, header ...string) (*http.Response, []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: source\r\nConnection: close\r\n%s\r\n", method, target, strings.Join(header, ""))
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

func TestWhatIsServedHasTheDigest(t *testing.T) {
	s := newShop(t, map[string]string{"a.yaml": "a: 1\n", "large": strings.Repeat("random text ", 100_000)})
	for _, path := range []string{offered, latest} {
		res, body := s.ask(t, http.MethodGet, "/"+path)
		sum := sha256.Sum256(body)
		if got := "sha256:" + hex.EncodeToString(sum[:]); res.StatusCode != http.StatusOK || got != s.artifact.Digest {
			t.Errorf("%s: got %s with %s, want %s", path, res.Status, got, s.artifact.Digest)
		}
		head, none := s.ask(t, http.MethodHead, "/"+path)
		if len(none) != 0 {
			t.Errorf("%s: HEAD has a body", path)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/gzip", "Content-Length": fmt.Sprint(s.artifact.Size), "Etag": `"` + s.artifact.Digest + `"`,
			"Last-Modified": "Wed, 01 Jul 2026 12:00:00 GMT", "X-Content-Type-Options": "nosniff",
		} {
			if got, gotHead := res.Header.Get(name), head.Header.Get(name); got != want || gotHead != want {
				t.Errorf("%s: %s is %q, with HEAD %q, want %q", path, name, got, gotHead, want)
			}
		}
	}
	if res, body := s.ask(t, http.MethodGet, "/"+offered, `If-None-Match: "`+s.artifact.Digest+"\"\r\n"); res.StatusCode != http.StatusNotModified || len(body) > 0 {
		t.Errorf("known to the client: got %s", res.Status)
	}
}

func TestWhatIsNotServed(t *testing.T) {
	s := newShop(t, map[string]string{"a.yaml": "a"})
	for _, target := range []string{
		"/", "/gitrepository", "/gitrepository/", "/gitrepository/ns/app/", "/" + offered + "/", "//" + offered, "/./" + offered,
		"/gitrepository/ns/x/../app/1234.tar.gz", "/gitrepository/ns/x/%2e%2e/app/1234.tar.gz", "/../" + offered, "/%2e%2e/%2e%2e/etc/passwd",
		"/gitrepository%5cns%5capp%5c1234.tar.gz", "/" + offered + "%00", "/gitrepository/ns/app/5678.tar.gz", "/GitRepository/ns/app/1234.tar.gz",
	} {
		if res, _ := s.ask(t, http.MethodGet, target); res.StatusCode != http.StatusNotFound || res.Header.Get("Location") != "" {
			t.Errorf("%s: got %s", target, res.Status)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "PROPFIND"} {
		if res, _ := s.ask(t, method, "/"+offered); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: got %s", method, res.Status)
		}
	}
}

// An artifact that the store let go of is fetched again; one that was replaced will
// be offered under its new name in a moment.
func TestServingFromAColdStore(t *testing.T) {
	s := newShop(t, map[string]string{"a.yaml": "a"})
	owner := s.artifact.Owner
	if _, err := s.store.Put(owner, "r2", build(t, s.store, map[string]string{"a.yaml": "b"}), nil); err != nil {
		t.Fatal(err)
	}
	if res, _ := s.ask(t, http.MethodGet, "/"+offered); res.StatusCode != http.StatusNotFound || len(s.cold) > 0 {
		t.Errorf("a replaced one: got %s, told of %v", res.Status, s.cold)
	}
	s.store.Forget(owner)
	res, _ := s.ask(t, http.MethodGet, "/"+offered)
	if diff := cmp.Diff([]string{"gitrepository/ns/app"}, s.cold); diff != "" || res.StatusCode != http.StatusNotFound {
		t.Errorf("one that is gone: got %s, told of (-want +got):\n%s", res.Status, diff)
	}
}

// Clients that take nothing occupy what there is for clients, and nobody else.
func TestSlowClientsAreBounded(t *testing.T) {
	s := newShop(t, map[string]string{"a": string(bytes.Repeat([]byte("0123456789abcdef"), 1<<20))}) // more than sockets buffer
	var stuck []net.Conn
	for range 16 {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: source\r\n\r\n", offered)
		if _, err := io.ReadFull(conn, make([]byte, 10)); err != nil { // it is being sent
			t.Fatal(err)
		}
		stuck = append(stuck, conn)
	}
	if res, _ := s.ask(t, http.MethodGet, "/"+offered); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("got %s", res.Status)
	}
	if res, _ := s.ask(t, http.MethodGet, "/none"); res.StatusCode != http.StatusNotFound {
		t.Errorf("what is not there: got %s", res.Status)
	}
	_ = stuck[0].Close()
	for { // the server notices when it writes
		if res, _ := s.ask(t, http.MethodHead, "/"+offered); res.StatusCode == http.StatusOK {
			return
		}
	}
}

func TestServeAVerbatimArtifact(t *testing.T) {
	s := newShop(t, map[string]string{"a": "a"})
	chart := []byte("the bytes of a chart")
	tree, err := s.store.Verbatim("chart.tgz", chart)
	if err != nil {
		t.Fatal(err)
	}
	if s.artifact, err = s.store.Put(s.artifact.Owner, "1.0.0", tree, nil); err != nil {
		t.Fatal(err)
	}
	if _, body := s.ask(t, http.MethodGet, "/"+latest); !bytes.Equal(body, chart) {
		t.Errorf("got %q", body)
	}
}
