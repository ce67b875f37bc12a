package bucket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources"
	"github.com/fluxd/fluxd/pkg/sources/bucket"
	"github.com/fluxd/fluxd/pkg/sources/bucket/buckettest"
	"github.com/fluxd/fluxd/pkg/sources/bucket/s3"
)

// world is a bucket, who reads it, and what was read last.
type world struct {
	t      testing.TB
	server *buckettest.S3
	store  *artifacts.Store
	source *bucket.Source
	tree   *artifacts.Tree
	known  *bucket.Known
}

func newWorld(t testing.TB) *world {
	t.Helper()
	server := buckettest.NewS3(false)
	t.Cleanup(server.Server.Close)
	server.Access, server.Secret = "AKIA", "secret"
	service, err := s3.New(s3.Config{
		Endpoint: server.Endpoint(), Insecure: true, Bucket: server.Bucket,
		Credentials: s3.Fixed(s3.Keys{Access: "AKIA", Secret: "secret"}),
		Transport:   server.Server.Client().Transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	store, err := artifacts.New(artifacts.Options{Budget: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, server: server, store: store, source: &bucket.Source{
		Service: service, Name: server.Bucket, Place: "here", Timeout: 10 * time.Second,
	}}
}

func (w *world) put(files map[string]string) {
	for key, content := range files {
		w.server.Put(key, content)
	}
}

// fetch reads the bucket.
func (w *world) fetch() (sources.Snapshot, error) {
	listing, err := w.source.List(w.t.Context(), w.known)
	if err != nil {
		return sources.Snapshot{}, err
	}
	var held []bucket.Held
	if w.tree != nil {
		held = []bucket.Held{{Tree: w.tree, Known: w.known}}
	}
	snapshot, known, err := w.source.Fetch(w.t.Context(), w.store, listing, held...)
	if snapshot.Tree != nil {
		w.tree, w.known = snapshot.Tree, known
	}
	return snapshot, err
}

func (w *world) mustFetch() sources.Snapshot {
	w.t.Helper()
	snapshot, err := w.fetch()
	if err != nil {
		w.t.Fatal(err)
	}
	if why := w.server.Refused(); len(why) > 0 {
		w.t.Fatalf("requests were refused: %v", why)
	}
	return snapshot
}

// files returns the files of a tree.
func files(t testing.TB, tree *artifacts.Tree) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := tree.ReadFile(name)
		all[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRevision(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"test.txt": "test"})
	const want = "sha256:b4c2a60ce44b67f5b659a95ce4e4cc9e2a86baf13afb72bd397c5384cbc0e479"
	if got := w.mustFetch(); got.Revision != want {
		t.Errorf("the revision is %s, want %s", got.Revision, want)
	}
}

func TestWhatIsInTheTree(t *testing.T) {
	all := map[string]string{
		"a.yaml": "a", "logo.png": "png", "apps/b.yaml": "b", "apps/b.txt": "text", "apps/dir/": "",
		"apps/.sourceignore": "*.yaml", "other/c.yaml": "c",
	}
	for name, tt := range map[string]struct {
		root, ignore, prefix string
		want                 []string
	}{
		"all, without defaults":   {"", "", "", []string{"a.yaml", "logo.png", "apps/b.yaml", "apps/b.txt", "apps/.sourceignore", "other/c.yaml"}},
		"a prefix":                {"", "", "apps/", []string{"apps/b.yaml", "apps/b.txt", "apps/.sourceignore"}},
		"a prefix that is a name": {"", "", "a.y", []string{"a.yaml"}},
		"patterns":                {"", "/*\n!/apps", "", []string{"apps/b.yaml", "apps/b.txt", "apps/.sourceignore"}},
		"rules in the bucket":     {"*.txt\n/other\n.sourceignore", "", "", []string{".sourceignore", "a.yaml", "logo.png", "apps/b.yaml"}},
		"rules beside the prefix": {"*.txt", "", "apps/", []string{".sourceignore", "apps/b.yaml", "apps/.sourceignore"}},
		"patterns after rules":    {"*.yaml", "!a.yaml\n*.txt\n*.png\napps", "", []string{".sourceignore", "a.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(all)
			want := map[string]string{}
			for _, key := range tt.want {
				want[key] = all[key]
			}
			if tt.root != "" {
				w.server.Put(".sourceignore", tt.root)
				want[".sourceignore"] = tt.root
			}
			w.source.Ignore, w.source.Prefix = tt.ignore, tt.prefix
			if diff := cmp.Diff(want, files(t, w.mustFetch().Tree)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNothingNewCostsTheListing(t *testing.T) {
	w := newWorld(t)
	w.server.PageSize = 10
	for i := range 25 {
		w.server.Put(fmt.Sprintf("dir/%d.yaml", i), fmt.Sprint(i))
	}
	w.server.Put(".sourceignore", "/dir/1*.yaml")
	before := w.mustFetch()
	w.server.Asked()
	listing, err := w.source.List(t.Context(), w.known)
	if err != nil {
		t.Fatal(err)
	}
	if listing.Revision() != before.Revision {
		t.Errorf("the revision is %s, want %s", listing.Revision(), before.Revision)
	}
	if lists, opens := w.server.Asked(); lists != 3 || len(opens) > 0 {
		t.Errorf("it cost %d pages and the objects %v, want 3 pages", lists, opens)
	}
}

func TestOnlyWhatChangedIsFetched(t *testing.T) {
	initial := map[string]string{"a": "1", "b": "2", "dir/c": "3"}
	for name, tt := range map[string]struct {
		change func(*world)
		opened []string
	}{
		"an object":                   {func(w *world) { w.server.Put("b", "new") }, []string{"b"}},
		"one more":                    {func(w *world) { w.server.Put("d", "4") }, []string{"d"}},
		"one less":                    {func(w *world) { w.server.Delete("a") }, nil},
		"a patter that lets one in":   {func(w *world) { w.source.Ignore = "" }, []string{"ignored"}},
		"another bucket of that name": {func(w *world) { w.source.Place = "there" }, []string{"a", "b", "dir/c"}},
		"nothing is known any more, but the tags tell": {func(w *world) {
			w.known = nil
			w.server.Put("b", "new")
		}, []string{"b"}},
		"the tree is gone": {func(w *world) { w.tree = nil }, []string{"a", "b", "dir/c"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(initial)
			w.server.Put("ignored", "5")
			w.source.Ignore = "ignored"
			w.mustFetch()
			w.server.Asked()
			tt.change(w)
			got := files(t, w.mustFetch().Tree)
			if _, opened := w.server.Asked(); cmp.Diff(tt.opened, opened) != "" {
				t.Errorf("opened %v, want %v", opened, tt.opened)
			}
			w.tree, w.known = nil, nil
			if diff := cmp.Diff(files(t, w.mustFetch().Tree), got); diff != "" {
				t.Errorf("a full fetch has something else:\n%s", diff)
			}
		})
	}
}

// TestWhatChangesMeanwhile changes the bucket between the listing and the download.
func TestWhatChangesMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"gone": "1", "changed": "2", "same": "3"})
	listing, err := w.source.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.server.Delete("gone")
	w.server.Put("changed", strings.Repeat("much longer ", 20_000))
	snapshot, _, err := w.source.Fetch(t.Context(), w.store, listing)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"changed": strings.Repeat("much longer ", 20_000), "same": "3"}
	if diff := cmp.Diff(want, files(t, snapshot.Tree)); diff != "" {
		t.Error(diff)
	}
	if len(snapshot.Warnings) != 1 || snapshot.Warnings[0].Path != "gone" {
		t.Errorf("the warnings are %v", snapshot.Warnings)
	}
	if again := w.mustFetch(); again.Revision != snapshot.Revision {
		t.Errorf("the revision is %s, and %s when read again", snapshot.Revision, again.Revision)
	}
}

func TestKeysThatAreNoPaths(t *testing.T) {
	for name, tt := range map[string]struct {
		keys []string
		want error
	}{
		"out of the tree":                    {[]string{"../etc/passwd"}, bucket.ErrKey},
		"out and in again":                   {[]string{"a/../../b"}, bucket.ErrKey},
		"up within the tree":                 {[]string{"a/../b"}, bucket.ErrKey},
		"only up":                            {[]string{".."}, bucket.ErrKey},
		"NUL":                                {[]string{"a\x00b"}, bucket.ErrKey},
		"a backslash":                        {[]string{`a\..\b`}, bucket.ErrKey},
		"no UTF-8":                           {[]string{"a\xff"}, bucket.ErrKey},
		"only a dot":                         {[]string{"."}, bucket.ErrKey},
		"twins in case":                      {[]string{"a.yaml", "A.yaml"}, bucket.ErrKey},
		"twins by their slash":               {[]string{"a//b", "a/b"}, bucket.ErrKey},
		"a file and directory":               {[]string{"a", "a/b"}, bucket.ErrKey},
		"too long":                           {[]string{strings.Repeat("a", 1025)}, bucket.ErrTooLarge},
		"too deep":                           {[]string{strings.Repeat("a/", 65) + "a"}, bucket.ErrTooLarge},
		"slashes that a path has no need of": {[]string{"/a", "b//c", "./d"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, key := range tt.keys {
				w.server.Put(key, "x")
			}
			snapshot, err := w.fetch()
			if !errors.Is(err, tt.want) {
				t.Fatalf("the error is %v, want %v", err, tt.want)
			}
			if _, opened := w.server.Asked(); tt.want != nil && len(opened) > 0 {
				t.Errorf("%v was opened for nothing", opened)
			}
			if tt.want == nil {
				if diff := cmp.Diff(map[string]string{"a": "x", "b/c": "x", "d": "x"}, files(t, snapshot.Tree)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestABadKeyThatIsIgnoredDoesNoHarm(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "1", "A": "2"})
	w.source.Ignore = "/A"
	if got := files(t, w.mustFetch().Tree); len(got) != 1 {
		t.Errorf("the files are %v", got)
	}
}

func TestLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*world)
		want   error
	}{
		"an object":    {func(w *world) { w.source.Limits.Bytes = 99 }, bucket.ErrTooLarge},
		"all objects":  {func(w *world) { w.source.Limits.Bytes = 250 }, bucket.ErrTooLarge},
		"their number": {func(w *world) { w.source.Limits.Files = 2 }, bucket.ErrTooLarge},
		"the memory":   {func(w *world) { w.source.Memory = artifacts.NewHeadroom(250).Share() }, bucket.ErrTooLarge},
		"rules":        {func(w *world) { w.server.Put(".sourceignore", strings.Repeat("#\n", 1<<20)) }, bucket.ErrTooLarge},
		"just small enough": {func(w *world) {
			w.source.Limits = artifacts.Limits{Bytes: 300, Files: 3}
			w.source.Memory = artifacts.NewHeadroom(300).Share()
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			text := strings.Repeat("x", 100)
			w.put(map[string]string{"a": text, "b": text, "c": text})
			tt.change(w)
			if _, err := w.fetch(); !errors.Is(err, tt.want) {
				t.Errorf("the error is %v, want %v", err, tt.want)
			}
		})
	}
}

// TestAnObjectThatNeverEnds is listed as small.
func TestAnObjectThatNeverEnds(t *testing.T) {
	for name, limit := range map[string]func(*bucket.Source){
		"limited by its bytes": func(s *bucket.Source) { s.Limits.Bytes = 1 << 20 },
		"limited by memory":    func(s *bucket.Source) { s.Memory = artifacts.NewHeadroom(1 << 20).Share() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(map[string]string{"a": "1"})
			limit(w.source)
			w.server.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/a") {
					return false
				}
				for {
					if _, err := io.WriteString(rw, strings.Repeat("x", 64<<10)); err != nil {
						return true
					}
				}
			}
			if _, err := w.fetch(); !errors.Is(err, bucket.ErrTooLarge) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestListingsThatNeverEnd has pages that lead to themselves or ever on.
func TestListingsThatNeverEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		next func(page int) string
		want error
	}{
		"the same page": {func(int) string { return "again" }, bucket.ErrProtocol},
		"a circle":      {func(page int) string { return fmt.Sprint(page % 3) }, bucket.ErrProtocol},
		"ever on":       {func(page int) string { return fmt.Sprint(page) }, bucket.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.source.Service = &pages{next: tt.next}
			if _, err := w.source.List(t.Context(), nil); !errors.Is(err, tt.want) {
				t.Errorf("the error is %v, want %v", err, tt.want)
			}
		})
	}
}

// pages is a service of nothing but pages.
type pages struct {
	next func(page int) string
	page int
}

func (p *pages) Page(context.Context, string, string) (bucket.Page, error) {
	p.page++
	return bucket.Page{Next: p.next(p.page)}, nil
}

func (p *pages) Open(context.Context, bucket.Entry) (*bucket.Content, error) {
	return nil, bucket.ErrGone
}

// TestTimeouts hang in either phase, or send a byte now and then.
func TestTimeouts(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	drip := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
		}
	}
	for name, tt := range map[string]struct {
		path   string
		answer http.HandlerFunc
	}{
		"the listing hangs": {"/apps/", hang},
		"an object hangs":   {"/apps/a", hang},
		"an object drips":   {"/apps/a", drip},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put(map[string]string{"a": strings.Repeat("x", 10<<20)})
			w.source.Timeout = 100 * time.Millisecond
			w.server.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != tt.path {
					return false
				}
				tt.answer(rw, r)
				return true
			}
			_, err := w.fetch()
			if !errors.Is(err, bucket.ErrTimeout) && !errors.Is(err, bucket.ErrTooLarge) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestCancelling(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "1"})
	listing, err := w.source.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.server.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	}
	if _, _, err := w.source.Fetch(ctx, w.store, listing); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

// TestMessagesStay has all objects fail, in any order, and connections break off.
func TestMessagesStay(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		want   string
	}{
		"no":        {func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusForbidden) }, `get the object "000": access denied`},
		"break off": {breakOff, "connection reset by peer"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range 100 {
				w.server.Put(fmt.Sprintf("%03d", i), "x")
			}
			w.server.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/apps/" {
					return false
				}
				tt.answer(rw)
				return true
			}
			var said []string
			for range 5 {
				_, err := w.fetch()
				said = append(said, fmt.Sprint(err))
			}
			if slices.Sort(said); said[0] != said[4] || !strings.Contains(said[0], tt.want) {
				t.Errorf("the errors are %q", slices.Compact(said))
			}
		})
	}
}

// breakOff sends half an answer and resets the connection.
func breakOff(rw http.ResponseWriter) {
	rw.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(rw, "half")
	_ = http.NewResponseController(rw).Flush()
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// TestAFetchGoesOnWhereTheLastOneEnded has a store that answers only so often.
func TestAFetchGoesOnWhereTheLastOneEnded(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		w.server.Put(fmt.Sprint(i), fmt.Sprint("object ", i))
	}
	var left atomic.Int32
	w.server.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/apps/" || left.Add(-1) >= 0 {
			return false
		}
		rw.WriteHeader(http.StatusForbidden)
		return true
	}
	for range 3 {
		left.Store(60)
		if snapshot, err := w.fetch(); !errors.Is(err, bucket.ErrAuth) || snapshot.Tree == nil || snapshot.Revision != "" {
			t.Fatalf("the error is %v and the snapshot %+v", err, snapshot)
		}
	}
	w.server.Put("0", "changed")
	w.server.Asked()
	left.Store(1000)
	if got := files(t, mustSnapshot(t, w).Tree); len(got) != 200 || got["0"] != "changed" || got["199"] != "object 199" {
		t.Errorf("there are %d files, the first is %q", len(got), got["0"])
	}
	if _, opened := w.server.Asked(); len(opened) != 200-3*60+1 {
		t.Errorf("the last fetch opened %d objects", len(opened))
	}
}

func mustSnapshot(t *testing.T, w *world) sources.Snapshot {
	t.Helper()
	snapshot, err := w.fetch()
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func TestABrokenDownloadFailsAll(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		w.server.Put(fmt.Sprint(i), "x")
	}
	w.server.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/apps/100" {
			return false
		}
		rw.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(rw, "half")
		return true
	}
	_, err := w.fetch()
	if err == nil || !strings.Contains(err.Error(), `"100"`) {
		t.Errorf("the error is %v", err)
	}
}
