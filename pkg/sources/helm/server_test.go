package helm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/helm/helmtest"
	"github.com/fluxd/fluxd/pkg/transport"
)

func serve(t *testing.T, index string) *helmtest.Server {
	t.Helper()
	s := helmtest.New()
	t.Cleanup(s.Close)
	s.Put("/charts/index.yaml", []byte(index))
	return s
}

func sumOf(content string) string { return helmtest.Digest([]byte(content)) }

// below returns the repository that a server has.
func below(t *testing.T, s *helmtest.Server, a Access) *Repository {
	t.Helper()
	a.URL = s.URL + "/charts"
	return repository(t, a)
}

func repository(t *testing.T, a Access) *Repository {
	t.Helper()
	r, err := NewRepository(a, transport.NewHosts().Transport(transport.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fixed(wants ...Want) func(Source) []Want { return func(Source) []Want { return wants } }

var source = Source{"apps", "charts"}

func TestRefresh(t *testing.T) {
	s := serve(t, generated)
	r := below(t, s, Access{})
	x := NewIndexes(fixed(Want{"alpine", "*"}))
	check := func(index string, asked, whole int) {
		t.Helper()
		got, err := x.Refresh(t.Context(), source, r)
		if err != nil || got.Digest != "sha256:"+sumOf(index) || got.Size != int64(len(index)) {
			t.Errorf("got %+v, %v", got, err)
		}
		if a, w := s.Counts(); a != asked || w != whole {
			t.Errorf("the server was asked %d times and sent the index %d times, want %d and %d", a, w, asked, whole)
		}
	}
	answer := func(w Want, version string) {
		t.Helper()
		if got, err := x.Answer(t.Context(), source, r, w, ""); err != nil || got.Version != version {
			t.Errorf("%v: got %q, %v, want %q", w, got.Version, err, version)
		}
	}
	check(generated, 1, 1)
	check(generated, 1, 0)
	answer(Want{"alpine", "*"}, "0.2.0")
	check(generated, 1, 0)
	answer(Want{"nginx", "*"}, "2.0.0") // a new want reads the index again
	check(generated, 2, 1)

	changed := strings.ReplaceAll(generated, "0.2.0", "0.3.0")
	s.Put("/charts/index.yaml", []byte(changed))
	check(changed, 1, 1)
	answer(Want{"alpine", "*"}, "0.3.0")
	check(changed, 1, 0)

	x.Forget(source)
	check(changed, 1, 1)
}

// What one chart finds out about the index, the repository knows as well, although
// the server then says that nothing is new.
func TestNewsByAnswer(t *testing.T) {
	s := serve(t, generated)
	r := below(t, s, Access{})
	x := NewIndexes(fixed())
	if _, err := x.Refresh(t.Context(), source, r); err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(generated, "0.2.0", "0.3.0")
	s.Put("/charts/index.yaml", []byte(changed))
	if got, err := x.Answer(t.Context(), source, r, Want{"alpine", "*"}, ""); err != nil || got.Version != "0.3.0" {
		t.Errorf("got %+v, %v", got, err)
	}
	s.Counts()
	if got, err := x.Refresh(t.Context(), source, r); err != nil || got.Digest != "sha256:"+sumOf(changed) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, whole := s.Counts(); whole != 0 {
		t.Error("the index was read once more")
	}
}

// The failure of a read is the answer to many, until the repository is asked anew.
func TestFailureIsShared(t *testing.T) {
	s := serve(t, "<html>")
	r := below(t, s, Access{})
	x := NewIndexes(fixed())
	for range 5 {
		if _, err := x.Answer(t.Context(), source, r, Want{"alpine", "*"}, ""); !errors.Is(err, ErrIndex) {
			t.Errorf("got %v", err)
		}
	}
	if asked, _ := s.Counts(); asked != 2 {
		t.Errorf("%d requests, want one to scan and one to parse", asked)
	}
	s.Put("/charts/index.yaml", []byte(generated))
	if _, err := x.Refresh(t.Context(), source, r); err != nil {
		t.Error(err)
	}
	if _, err := x.Answer(t.Context(), source, r, Want{"alpine", "*"}, ""); err != nil {
		t.Error(err)
	}
}

func TestAnswerPinned(t *testing.T) {
	s := serve(t, generated)
	r := below(t, s, Access{})
	x := NewIndexes(fixed())
	pin := "sha256:" + sumOf(generated)
	if got, err := x.Answer(t.Context(), source, r, Want{"alpine", "*"}, pin); err != nil || got.Version != "0.2.0" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := x.Answer(t.Context(), source, r, Want{"alpine", "*"}, "sha256:other"); !errors.Is(err, ErrMoved) {
		t.Errorf("another digest: got %v", err)
	}
	x.Forget(source)
	s.Put("/charts/index.yaml", []byte(generated+"\n"))
	if _, err := x.Answer(t.Context(), source, r, Want{"alpine", "*"}, pin); !errors.Is(err, ErrMoved) {
		t.Errorf("another index: got %v", err)
	}
	if _, ok := x.summary(source, r); ok {
		t.Error("an index that does not count is remembered")
	}
}

// Many charts that start together cost one read, or two if they come late.
func TestOneReadForAll(t *testing.T) {
	arrived, proceed := make(chan struct{}, 10), make(chan struct{})
	var asked atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		arrived <- struct{}{}
		<-proceed
		fmt.Fprint(rw, generated)
	}))
	defer web.Close()
	r := repository(t, Access{URL: web.URL})
	x := NewIndexes(fixed(Want{"alpine", "*"}, Want{"nginx", "*"}))
	var running sync.WaitGroup
	for i := range 20 {
		running.Go(func() {
			w := Want{[]string{"alpine", "nginx"}[i%2], "*"}
			if _, err := x.Answer(t.Context(), source, r, w, ""); err != nil {
				t.Error(err)
			}
		})
	}
	running.Go(func() {
		if _, err := x.Refresh(t.Context(), source, r); err != nil {
			t.Error(err)
		}
	})
	<-arrived
	close(proceed)
	running.Wait()
	if n := asked.Load(); n > 2 {
		t.Errorf("the index was read %d times", n)
	}
}

// Whoever waits for a reader that is told to stop goes on in its place.
func TestReaderStops(t *testing.T) {
	arrived, proceed := make(chan struct{}, 10), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-proceed:
			fmt.Fprint(rw, generated)
		case <-r.Context().Done():
		}
	}))
	defer web.Close()
	r := repository(t, Access{URL: web.URL})
	x := NewIndexes(fixed(Want{"alpine", "*"}))
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := x.Refresh(ctx, source, r)
		first <- err
	}()
	<-arrived
	go func() {
		_, err := x.Answer(t.Context(), source, r, Want{"alpine", "*"}, "")
		second <- err
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first got %v", err)
	}
	close(proceed)
	if err := <-second; err != nil {
		t.Errorf("the second got %v", err)
	}
}

func TestBadServers(t *testing.T) {
	endless := func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprint(rw, "apiVersion: v1\nentries:\n  a:\n")
		line := []byte(strings.Repeat("# nothing to see here\n", 1000))
		for r.Context().Err() == nil {
			if _, err := rw.Write(line); err != nil {
				return
			}
		}
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, tc := range map[string]struct {
		serve http.HandlerFunc
		want  func(error) bool
	}{
		"an answer without end": {endless, is(ErrIndexTooLarge)},
		"garbage without end": {func(rw http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := rw.Write([]byte("\x00\xff{{[[garbage]]")); err != nil {
					return
				}
			}
		}, is(ErrIndex)},
		"a length that is too large": {func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Content-Length", "99999999") }, is(ErrIndexTooLarge)},
		"an answer that is cut": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", fmt.Sprint(len(generated)))
			fmt.Fprint(rw, generated[:len(generated)/2])
		}, func(err error) bool { return err != nil && !errors.Is(err, ErrIndex) }},
		"a server that hangs": {hang, is(context.DeadlineExceeded)},
		"a server that drips": {func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, "apiVersion: v1\n")
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		}, is(context.DeadlineExceeded)},
		"an error":            {http.NotFound, status(404)},
		"no permission":       {func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(401) }, Unauthorized},
		"nothing, with a 204": {func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(204) }, status(204)},
		"not modified":        {func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(304) }, status(304)},
		"redirects for ever":  {func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, r.URL.Path, http.StatusFound) }, is(transport.ErrRedirects)},
		"a busy server": {func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "60")
			rw.WriteHeader(429)
		}, func(err error) bool { return transport.RetryAfter(err) > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(tc.serve)
			defer web.Close()
			r := repository(t, Access{URL: web.URL + "?token=hidden", Username: "user", Password: "secret", IndexBytes: 10 << 20})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := r.read(ctx, nil, nil)
			if !tc.want(err) {
				t.Errorf("got %v", err)
			}
			for _, hidden := range []string{"hidden", "secret", "token"} {
				if err != nil && strings.Contains(err.Error(), hidden) {
					t.Errorf("%q is in %v", hidden, err)
				}
			}
		})
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func status(code int) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*StatusError](err)
		return ok && e.Code == code
	}
}

// An index that the scanner does not follow is read whole, within bounds.
func TestOddLayout(t *testing.T) {
	flow := "{apiVersion: v1, entries: {a: [{name: a, version: 1.0.0, urls: [x]}]}}\n"
	s := serve(t, flow)
	r := below(t, s, Access{Memory: artifacts.NewHeadroom(1 << 20).Share()})
	x := NewIndexes(fixed(Want{"a", ""}))
	got, err := x.Answer(t.Context(), source, r, Want{"a", ""}, "")
	if err != nil || got.URL != "x" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if sum, err := x.Refresh(t.Context(), source, r); err != nil || sum.Digest != "sha256:"+sumOf(flow) {
		t.Errorf("got %+v, %v", sum, err)
	}
	s.Put("/charts/index.yaml", []byte(flow+strings.Repeat("# padding\n", 100_000)))
	if _, err := x.Refresh(t.Context(), source, r); !errors.Is(err, artifacts.ErrNoHeadroom) {
		t.Errorf("an index that needs more memory than there is: got %v", err)
	}
	s.Put("/charts/index.yaml", []byte(flow+strings.Repeat("# padding\n", 1_000_000)))
	if _, err := x.Refresh(t.Context(), source, r); !errors.Is(err, ErrIndex) {
		t.Errorf("an index that is too large to parse: got %v", err)
	}
}

func TestURLs(t *testing.T) {
	for name, tc := range map[string]struct{ base, ref, index, chart string }{
		"relative":             {"https://a.test/charts", "x-1.tgz", "https://a.test/charts/index.yaml", "https://a.test/charts/x-1.tgz"},
		"with a slash":         {"https://a.test/charts/", "x-1.tgz", "https://a.test/charts/index.yaml", "https://a.test/charts/x-1.tgz"},
		"without a path":       {"https://a.test", "d/x-1.tgz", "https://a.test/index.yaml", "https://a.test/d/x-1.tgz"},
		"with a query":         {"https://a.test/c?k=v", "x-1.tgz", "https://a.test/c/index.yaml?k=v", "https://a.test/c/x-1.tgz?k=v"},
		"from the root":        {"https://a.test/c?k=v", "/x-1.tgz", "https://a.test/c/index.yaml?k=v", "https://a.test/x-1.tgz?k=v"},
		"absolute":             {"https://a.test/c?k=v", "https://b.test/x-1.tgz", "https://a.test/c/index.yaml?k=v", "https://b.test/x-1.tgz"},
		"with escaped slashes": {"https://a.test/c%2Fd", "x%2F1.tgz", "https://a.test/c%2Fd/index.yaml", "https://a.test/c%2Fd/x%2F1.tgz"},
		"another protocol":     {"https://a.test", "ftp://b.test/x", "https://a.test/index.yaml", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := repository(t, Access{URL: tc.base})
			if got := r.indexURL().String(); got != tc.index {
				t.Errorf("the index is at %s, want %s", got, tc.index)
			}
			u, err := r.chartURL(tc.ref)
			if got := fmt.Sprint(u); err == nil && got != tc.chart || (err != nil) != (tc.chart == "") {
				t.Errorf("the chart is at %s, %v, want %s", got, err, tc.chart)
			}
		})
	}
	for _, bad := range []string{"", "a.test", "https://", "oci://a.test/charts", "ssh://a.test", "http://a b/"} {
		if _, err := NewRepository(Access{URL: bad}, nil); !errors.Is(err, ErrURL) && !errors.Is(err, ErrScheme) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestDownload(t *testing.T) {
	s := serve(t, "")
	s.Require("secret")
	s.Put("/charts/x-1.tgz", []byte("the archive"))
	other := serve(t, "")
	other.Put("/x-1.tgz", []byte("the archive"))
	other.Require("secret")
	stray := httptest.NewServer(http.RedirectHandler(other.URL+"/x-1.tgz?token=hidden", http.StatusFound))
	defer stray.Close()
	s.Put("/charts/", []byte(""))
	for name, tc := range map[string]struct {
		access  Access
		release Release
		limit   int64
		want    func(error) bool
	}{
		"as it is":                          {Access{Password: "secret"}, Release{URL: "x-1.tgz"}, 100, is(nil)},
		"with its digest":                   {Access{Password: "secret"}, Release{URL: "x-1.tgz", Digest: sumOf("the archive")}, 100, is(nil)},
		"with a prefix":                     {Access{Password: "secret"}, Release{URL: "x-1.tgz", Digest: "sha256:" + sumOf("the archive")}, 100, is(nil)},
		"a digest of no kind":               {Access{Password: "secret"}, Release{URL: "x-1.tgz", Digest: "md5"}, 100, is(nil)},
		"another digest":                    {Access{Password: "secret"}, Release{URL: "x-1.tgz", Digest: sumOf("else")}, 100, is(ErrDigest)},
		"just fitting":                      {Access{Password: "secret"}, Release{URL: "x-1.tgz"}, 11, is(nil)},
		"too large":                         {Access{Password: "secret"}, Release{URL: "x-1.tgz"}, 10, is(ErrTooLarge)},
		"no URL":                            {Access{Password: "secret"}, Release{}, 100, is(ErrEntry)},
		"missing":                           {Access{Password: "secret"}, Release{URL: "y.tgz"}, 100, status(404)},
		"without credentials":               {Access{}, Release{URL: "x-1.tgz"}, 100, Unauthorized},
		"another host gets no credentials":  {Access{Password: "secret"}, Release{URL: other.URL + "/x-1.tgz"}, 100, Unauthorized},
		"another host gets them if told":    {Access{Password: "secret", PassCredentials: true}, Release{URL: other.URL + "/x-1.tgz"}, 100, is(nil)},
		"a redirect passes no credentials":  {Access{Password: "secret"}, Release{URL: stray.URL}, 100, Unauthorized},
		"a redirect passes them on if told": {Access{Password: "secret", PassCredentials: true}, Release{URL: stray.URL}, 100, is(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := below(t, s, tc.access).Download(t.Context(), tc.release, tc.limit)
			if !tc.want(err) || err == nil && string(data) != "the archive" {
				t.Errorf("got %q, %v", data, err)
			}
			if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "secret")) {
				t.Errorf("a secret is in %v", err)
			}
		})
	}
}

func TestDownloadIsCharged(t *testing.T) {
	s := serve(t, "")
	s.Put("/charts/x-1.tgz", make([]byte, 100_000))
	r := below(t, s, Access{Memory: artifacts.NewHeadroom(50_000).Share()})
	if _, err := r.Download(t.Context(), Release{URL: "x-1.tgz"}, 1<<20); !errors.Is(err, artifacts.ErrNoHeadroom) {
		t.Errorf("got %v", err)
	}
}

// Nobody is led from https to http.
func TestDowngrade(t *testing.T) {
	s := serve(t, generated)
	safe := httptest.NewTLSServer(http.RedirectHandler(s.URL+"/charts/index.yaml?token=hidden", http.StatusFound))
	defer safe.Close()
	r, err := NewRepository(Access{URL: safe.URL, Password: "secret", PassCredentials: true}, safe.Client().Transport)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.read(t.Context(), nil, nil); !errors.Is(err, transport.ErrDowngrade) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
	if asked, _ := s.Counts(); asked != 0 {
		t.Error("it went there")
	}
}

func TestUntrustedServer(t *testing.T) {
	web := httptest.NewTLSServer(http.NotFoundHandler())
	defer web.Close()
	_, err := repository(t, Access{URL: web.URL}).read(t.Context(), nil, nil)
	if !Unauthorized(err) {
		t.Errorf("got %v", err)
	}
}
