package bucket_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

// allow answers only so many requests for objects, and refuses the others.
func (w *world) allowOpens(n int) {
	var left atomic.Int64
	left.Store(int64(n))
	w.s3.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/apps/" || left.Add(-1) >= 0 {
			return false
		}
		rw.WriteHeader(http.StatusForbidden)
		return true
	}
}

func TestAnUnfinishedFetchIsGoneOnWith(t *testing.T) {
	for name, tt := range map[string]struct {
		between func(w *world, opened []string)
		opened  int
	}{
		"at once":             {func(*world, []string) {}, 60},
		"after another start": {func(w *world, _ []string) { w.restart() }, 100},
		"after a change":      {func(w *world, opened []string) { w.s3.Put(opened[0], "changed") }, 61},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range 100 {
				w.s3.Put(fmt.Sprintf("%02d", i), fmt.Sprint("object ", i))
			}
			o := w.object()
			w.allowOpens(40)
			if _, err := w.reconcile(o); err == nil {
				t.Fatal("there is no error")
			}
			_, opened := w.s3.Asked()
			if len(opened) != 40 {
				t.Fatalf("%d objects were opened, want 40", len(opened))
			}
			tt.between(w, opened)
			w.allowOpens(1000)
			w.s3.Asked()
			w.ready(o)
			if _, opened := w.s3.Asked(); len(opened) != tt.opened {
				t.Errorf("%d objects were opened, want %d", len(opened), tt.opened)
			}
			if got := w.store.Stats().Artifacts; got != 1 {
				t.Errorf("%d artifacts are stored, want 1", got)
			}
			want := o.Status.Artifact.DeepCopy()
			w.restart()
			w.ready(o)
			if *o.Status.Artifact.Size != *want.Size || o.Status.Artifact.Digest != want.Digest {
				t.Errorf("a fetch in one go makes another artifact: %+v, want %+v", o.Status.Artifact, want)
			}
		})
	}
}

// TestAnUnfinishedFetchPushesNothingOut has a store that is almost full.
func TestAnUnfinishedFetchPushesNothingOut(t *testing.T) {
	w := newWorld(t)
	w.budget = 100_000
	w.restart()
	b := w.store.NewBuilder(artifacts.Limits{})
	if err := b.AddFile("big", 0o644, noise(60_000)); err != nil {
		t.Fatal(err)
	}
	tree, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	other := artifacts.Owner{Kind: "GitRepository", Namespace: "ns", Name: "other"}
	if _, err := w.store.Put(other, "1", tree, nil); err != nil {
		t.Fatal(err)
	}
	w.s3.Put("a", string(noise(50_000)))
	w.s3.Put("b", "b")
	w.s3.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/apps/b" {
			return false
		}
		rw.WriteHeader(http.StatusForbidden)
		return true
	}
	if _, err := w.reconcile(w.object()); err == nil {
		t.Fatal("there is no error")
	}
	if w.store.Stats().Artifacts != 1 {
		t.Errorf("the store holds %+v", w.store.Stats())
	}
}

// noise returns bytes that do not compress.
func noise(n int) []byte {
	text := make([]byte, n)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range text {
		text[i] = byte(random.Uint32())
	}
	return text
}

func TestFinalizeForgetsWhatIsUnfinished(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a", "b": "b"})
	o := w.object()
	w.allowOpens(1)
	if _, err := w.reconcile(o); err == nil || w.store.Stats().Artifacts != 1 {
		t.Fatalf("the error is %v, and the store holds %+v", err, w.store.Stats())
	}
	if err := w.plugin.Finalize(t.Context(), o); err != nil || w.store.Stats().Artifacts != 0 {
		t.Errorf("the error is %v, and the store holds %+v", err, w.store.Stats())
	}
}

func TestABucketThatWentBackNeedsNoUnfinishedFetch(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a", "b": "b"})
	o := w.object()
	w.ready(o)
	w.put(map[string]string{"a": "new", "b": "new too"})
	w.allowOpens(1)
	if _, err := w.reconcile(o); err == nil || w.store.Stats().Artifacts != 2 {
		t.Fatalf("the error is %v, and the store holds %+v", err, w.store.Stats())
	}
	w.put(map[string]string{"a": "a", "b": "b"})
	w.ready(o)
	if w.store.Stats().Artifacts != 1 || !w.holds(o) {
		t.Errorf("the store holds %+v", w.store.Stats())
	}
}

func TestTheRegionIsLearnedOnce(t *testing.T) {
	w := newWorld(t)
	w.put(map[string]string{"a": "a"})
	w.s3.Region = "eu-west-1"
	o := w.object()
	for range 3 {
		w.ready(o)
	}
	if why := w.s3.Refused(); len(why) != 1 {
		t.Errorf("refused: %v, want once", why)
	}
}
