package artifacts_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

var (
	apps  = artifacts.Owner{Kind: "GitRepository", Namespace: "flux-system", Name: "apps"}
	infra = artifacts.Owner{Kind: "GitRepository", Namespace: "flux-system", Name: "infra"}
)

// noise is content that does not compress.
func noise(seed uint64, n int) string {
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	b := make([]byte, n)
	_, _ = random.Read(b) // never fails
	return string(b)
}

func put(t testing.TB, s *artifacts.Store, owner artifacts.Owner, revision string, files map[string]string) artifacts.Artifact {
	t.Helper()
	a, err := s.Put(owner, revision, build(t, s, files), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestNewestWins(t *testing.T) {
	s := newStore(t, artifacts.Options{})
	first := put(t, s, apps, "1", map[string]string{"a": "1"})
	second := put(t, s, apps, "2", map[string]string{"a": "2"})
	if got, ok := s.Newest(apps); !ok || got.Digest != second.Digest || got.Revision != "2" {
		t.Errorf("newest is %+v", got)
	}
	if _, _, err := s.Open(apps, first.Digest); !errors.Is(err, artifacts.ErrNotFound) {
		t.Errorf("the old tree: got %v, want ErrNotFound", err)
	}
	if owner := apps.String(); owner != "gitrepository/flux-system/apps" {
		t.Errorf("owner is %s", owner)
	}
}

func TestTimeOfTheSameTreeStays(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := newStore(t, artifacts.Options{Now: func() time.Time { return now }})
	first := put(t, s, apps, "1", map[string]string{"a": "1"})
	now = now.Add(time.Hour)
	if again := put(t, s, apps, "2", map[string]string{"a": "1"}); !again.Updated.Equal(first.Updated) {
		t.Errorf("the time moved from %s to %s", first.Updated, again.Updated)
	}
}

func TestBlobsAreShared(t *testing.T) {
	s := newStore(t, artifacts.Options{})
	shared := noise(1, 64<<10)
	put(t, s, apps, "1", map[string]string{"a": shared})
	alone := s.Stats().Used
	put(t, s, infra, "1", map[string]string{"b/c": shared})
	if both := s.Stats(); both.Used > alone+alone/10 || both.Blobs != 1 {
		t.Errorf("one tree takes %d bytes, two %d in %d blobs", alone, both.Used, both.Blobs)
	}
	s.Forget(apps)
	s.Forget(infra)
	if empty := s.Stats(); empty.Used != 0 || empty.Blobs != 0 {
		t.Errorf("an empty store holds %+v", empty)
	}
}

func TestBudget(t *testing.T) {
	s := newStore(t, artifacts.Options{Budget: 100 << 10})
	old := put(t, s, apps, "1", map[string]string{"a": noise(1, 60<<10)})
	put(t, s, infra, "1", map[string]string{"a": noise(2, 60<<10)})
	if _, _, err := s.Open(apps, old.Digest); !errors.Is(err, artifacts.ErrNotFound) {
		t.Errorf("what was used least recently: got %v, want ErrNotFound", err)
	}
	if st := s.Stats(); st.Evictions != 1 || st.Used > st.Budget {
		t.Errorf("stats are %+v", st)
	}
	_, err := s.Put(apps, "2", build(t, s, map[string]string{"a": noise(3, 200<<10)}), nil)
	if !errors.Is(err, artifacts.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if _, ok := s.Newest(infra); !ok {
		t.Error("a tree that cannot fit pushed another out")
	}
}

func TestHeldTreesStay(t *testing.T) {
	s := newStore(t, artifacts.Options{Budget: 100 << 10})
	held := put(t, s, apps, "1", map[string]string{"a": noise(1, 60<<10)})
	tree, release, err := s.Open(apps, held.Digest)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, infra, "1", map[string]string{"a": noise(2, 60<<10)})
	put(t, s, apps, "2", map[string]string{"a": noise(3, 10<<10)})
	if content, err := fs.ReadFile(tree, "a"); err != nil || string(content) != noise(1, 60<<10) {
		t.Errorf("a held tree cannot be read: %v", err)
	}
	before := s.Stats().Used
	release()
	release()
	if after := s.Stats().Used; after >= before {
		t.Errorf("letting go freed nothing: %d, then %d", before, after)
	}
}

func TestColdIsNotAFailure(t *testing.T) {
	s := newStore(t, artifacts.Options{})
	if _, ok := s.Newest(apps); ok {
		t.Error("an empty store has a newest artifact")
	}
	if _, _, err := s.Open(apps, "sha256:x"); !errors.Is(err, artifacts.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestLastKnownGood(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"a.yaml": "a: 1\n", "b/c": noise(1, 10<<10)}
	s, err := artifacts.New(artifacts.Options{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	stored := put(t, s, apps, "main@sha1:1", files)
	put(t, s, infra, "main@sha1:2", map[string]string{"x": "y"})
	s.Forget(infra)
	s.Close()

	again := newStore(t, artifacts.Options{CacheDir: dir})
	if got, ok := again.Newest(apps); !ok || got.Revision != stored.Revision || got.Digest != stored.Digest {
		t.Fatalf("after a restart the newest is %+v, %t", got, ok)
	}
	tree, release, err := again.Open(apps, stored.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if content, err := fs.ReadFile(tree, "a.yaml"); err != nil || string(content) != "a: 1\n" {
		t.Errorf("got %q, %v", content, err)
	}
	if _, ok := again.Newest(infra); ok {
		t.Error("what was forgotten is back")
	}
}

func TestDamagedCache(t *testing.T) {
	for name, damage := range map[string]func(data []byte) []byte{
		"truncated": func(d []byte) []byte { return d[:len(d)/2] },
		"flipped":   func(d []byte) []byte { d[len(d)-20] ^= 0xff; return d },
		"empty":     func([]byte) []byte { return nil },
		"garbage":   func([]byte) []byte { return []byte("not an artifact") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := artifacts.New(artifacts.Options{CacheDir: dir})
			if err != nil {
				t.Fatal(err)
			}
			stored := put(t, s, apps, "1", map[string]string{"a": noise(1, 10<<10)})
			s.Close()
			found, err := filepath.Glob(filepath.Join(dir, "artifacts", "*.artifact"))
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			data, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(found[0], damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			reports := 0
			again := newStore(t, artifacts.Options{CacheDir: dir, Report: func(error) { reports++ }})
			if _, _, err := again.Open(apps, stored.Digest); !errors.Is(err, artifacts.ErrNotFound) {
				t.Errorf("got %v, want ErrNotFound", err)
			}
			if reports == 0 {
				t.Error("nobody was told")
			}
		})
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	reports := 0
	s, err := artifacts.New(artifacts.Options{CacheDir: dir, Report: func(error) {
		mu.Lock()
		defer mu.Unlock()
		reports++
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "artifacts")); err != nil {
		t.Fatal(err)
	}
	stored := put(t, s, apps, "1", map[string]string{"a": "1"})
	if _, _, err := s.Open(apps, stored.Digest); err != nil {
		t.Errorf("the artifact in memory suffers: %v", err)
	}
	s.Close()
	mu.Lock()
	defer mu.Unlock()
	if reports == 0 {
		t.Error("nobody was told")
	}
}

func TestCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := artifacts.New(artifacts.Options{CacheDir: dir, CacheSize: 50 << 10, Now: func() time.Time { now = now.Add(time.Minute); return now }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		owner := artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: fmt.Sprint(i)}
		put(t, s, owner, "1", map[string]string{"a": noise(uint64(i), 20<<10)})
	}
	s.Close()
	again := newStore(t, artifacts.Options{CacheDir: dir})
	kept := 0
	for i := range 5 {
		if _, ok := again.Newest(artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: fmt.Sprint(i)}); ok {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d artifacts are kept, want 2", kept)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := newStore(t, artifacts.Options{Budget: 64 << 10, CacheDir: t.TempDir()})
	var running sync.WaitGroup
	for worker := range 4 {
		running.Go(func() {
			for i := range 50 {
				owner := artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: fmt.Sprint((worker + i) % 3)}
				b := s.NewBuilder(artifacts.Limits{})
				_ = b.AddFile("a", 0o644, []byte(noise(uint64(i%7), 8<<10)))
				tree, _, err := b.Build()
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.Put(owner, fmt.Sprint(i), tree, nil); err != nil {
					t.Error(err)
				}
				if open, release, err := s.Open(owner, ""); err == nil {
					if _, err := fs.ReadFile(open, "a"); err != nil {
						t.Error(err)
					}
					release()
				}
			}
		})
	}
	running.Wait()
}

func BenchmarkPutOpen(b *testing.B) {
	s := newStore(b, artifacts.Options{})
	files := make(map[string]string)
	for i := range 1000 {
		files[fmt.Sprintf("apps/%d/deployment.yaml", i)] = fmt.Sprintf("name: app-%d\n", i) + noise(uint64(i), 380)
	}
	b.ReportAllocs()
	for b.Loop() {
		stored := put(b, s, apps, "1", files)
		_, release, err := s.Open(apps, stored.Digest)
		if err != nil {
			b.Fatal(err)
		}
		release()
	}
	b.ReportMetric(float64(s.Stats().Used)/1000, "bytes/file")
}

// What others have packed is known by their digest, on disk as well.
func TestPutForeign(t *testing.T) {
	dir := t.TempDir()
	s, err := artifacts.New(artifacts.Options{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	owner := artifacts.Owner{Kind: "ExternalArtifact", Namespace: "ns", Name: "app"}
	theirs := "sha512:" + strings.Repeat("0", 128)
	tree := build(t, s, map[string]string{"a": "1"})
	stored, err := s.PutAs(artifacts.Artifact{Owner: owner, Revision: "r1", Digest: theirs, Size: 42}, tree)
	if err != nil || stored.Digest != theirs || stored.Size != 42 || stored.Updated.IsZero() {
		t.Fatalf("got %+v, %v", stored, err)
	}
	s.Close()
	for _, store := range []*artifacts.Store{s, newStore(t, artifacts.Options{CacheDir: dir})} {
		found, release, err := store.Open(owner, theirs)
		if err != nil {
			t.Fatal(err)
		}
		if found.Digest() != tree.Digest() {
			t.Errorf("got %s, want %s", found.Digest(), tree.Digest())
		}
		release()
		if _, _, err := store.Open(owner, tree.Digest()); !errors.Is(err, artifacts.ErrNotFound) {
			t.Errorf("by the digest of the tree: got %v", err)
		}
	}
}

// What is put while the one before is being written is what the disk has in the end,
// and what is forgotten meanwhile is not there any more.
func TestNewestWinsOnDisk(t *testing.T) {
	dir := t.TempDir()
	s, err := artifacts.New(artifacts.Options{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[artifacts.Owner]string)
	for i := range 20 {
		owner := artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: fmt.Sprint(i)}
		put(t, s, owner, "1", map[string]string{"a": noise(uint64(i), 2<<20)})
		for range 1000 { // until it is being written, or has been
			if found, err := filepath.Glob(filepath.Join(dir, "artifacts", "new-*")); err != nil || len(found) > 0 {
				break
			}
			runtime.Gosched()
		}
		want[owner] = put(t, s, owner, "2", map[string]string{"a": "2"}).Digest
		if i%2 == 0 {
			s.Forget(owner)
			want[owner] = ""
		}
	}
	s.Close()
	again := newStore(t, artifacts.Options{CacheDir: dir})
	for owner, digest := range want {
		if got, _ := again.Newest(owner); got.Digest != digest {
			t.Errorf("%s: the disk has %q, want %q", owner, got.Digest, digest)
		}
	}
}

// What is yet to be written is not taken for damaged by who asks for it meanwhile, and is
// written in the end.
func TestCacheBehindTheReader(t *testing.T) {
	dir := t.TempDir()
	var reports []string
	entered, leave := make(chan struct{}), make(chan struct{})
	first := true
	s, err := artifacts.New(artifacts.Options{CacheDir: dir, Budget: 30 << 10, Report: func(err error) {
		reports = append(reports, err.Error())
		if first {
			first = false
			close(entered)
			<-leave
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "artifacts")
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	other := artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: "other"}
	put(t, s, other, "1", map[string]string{"a": "cannot be written"})
	<-entered // and so keeps the others waiting
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	stored := put(t, s, apps, "1", map[string]string{"a": noise(1, 20<<10)})
	put(t, s, other, "2", map[string]string{"a": noise(2, 20<<10)}) // for which the first has to go
	if _, _, err := s.Open(apps, stored.Digest); !errors.Is(err, artifacts.ErrNotFound) {
		t.Errorf("what is neither in memory nor on disk: %v", err)
	}
	close(leave)
	s.Close()
	if len(reports) != 1 {
		t.Errorf("reported were %q", reports)
	}
	again := newStore(t, artifacts.Options{CacheDir: dir})
	if _, _, err := again.Open(apps, stored.Digest); err != nil {
		t.Errorf("it was not written: %v", err)
	}
}

// All who want an artifact at once after a start share what is read once.
func TestLastKnownGoodIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	s, err := artifacts.New(artifacts.Options{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	stored := put(t, s, apps, "1", map[string]string{"a": noise(1, 1<<20), "b": noise(2, 1<<20)})
	s.Close()
	again := newStore(t, artifacts.Options{CacheDir: dir})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			tree, release, err := again.Open(apps, stored.Digest)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if content, err := fs.ReadFile(tree, "a"); err != nil || string(content) != noise(1, 1<<20) {
				t.Errorf("a has %d bytes, error %v", len(content), err)
			}
		})
	}
	all.Wait()
	if hits := again.Stats().CacheHits; hits != 1 {
		t.Errorf("it was read %d times", hits)
	}
}
