package apply

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"unique"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// bench is a store with one source that is live, and no watch behind it.
func bench(t testing.TB, wake func(Owner, time.Duration)) (*store, *source) {
	r := &reducer{
		hash: newHasher(), manager: "kustomize-controller", prefix: "k",
		labels: Labels{Name: "k/name", Namespace: "k/namespace"}, takeover: newTakeover("kustomize-controller", nil, false),
	}
	s := newStore(r, wake, true)
	t.Cleanup(s.close)
	src := s.attach(owner(), forKinds, []target{{gvr: configMaps()}}, false)[0]
	src.state = live
	return s, src
}

// applied is a ConfigMap as the API server has it after an apply of ours.
func applied(version int, value string) *unstructured.Unstructured {
	f := &fakeAPI{}
	obj := configMap("a", value)
	obj.SetLabels(map[string]string{"k/name": owner().Name, "k/namespace": owner().Namespace})
	obj = f.apply(nil, obj, "kustomize-controller", "default")
	obj.SetUID("00000000-0000-4000-8000-000000000001")
	obj.SetResourceVersion(fmt.Sprint(version))
	return obj
}

func TestOwnWritesWakeNobody(t *testing.T) {
	k := key{"default", "a"}
	tests := map[string]struct {
		steps func(*store, *source)
		wakes int
		value string
	}{
		"the answer first": {func(s *store, src *source) {
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(5, "a"))
			s.event(src, applied(5, "a"), false)
		}, 0, "a"},
		"the event first": {func(s *store, src *source) {
			s.begin(src, k)
			s.event(src, applied(5, "a"), false)
			s.finish(src, k, me(), 1, applied(5, "a"))
		}, 0, "a"},
		"an older event late": {func(s *store, src *source) {
			s.event(src, applied(4, "x"), false)
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(6, "a"))
			s.event(src, applied(5, "y"), false)
			s.event(src, applied(6, "a"), false)
		}, 0, "a"},
		"a list that started before": {func(s *store, src *source) {
			s.relist(src)
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(6, "a"))
			s.event(src, applied(4, "x"), false)
			s.sweep(src, 5)
		}, 0, "a"},
		"a list without the object, started before": {func(s *store, src *source) {
			s.relist(src)
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(6, "a"))
			s.sweep(src, 5)
		}, 0, "a"},
		"two writes": {func(s *store, src *source) {
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(5, "a"))
			s.begin(src, k)
			s.event(src, applied(5, "a"), false)
			s.event(src, applied(6, "b"), false)
			s.finish(src, k, me(), 2, applied(6, "b"))
		}, 0, "b"},
		"a drift after the answer": {func(s *store, src *source) {
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(5, "a"))
			s.event(src, applied(6, "b"), false)
			s.event(src, applied(7, "b"), false)
		}, 1, "b"},
		"a drift that the watch told before the answer": {func(s *store, src *source) {
			s.begin(src, k)
			s.event(src, applied(5, "a"), false)
			s.event(src, applied(6, "b"), false)
			s.finish(src, k, me(), 1, applied(5, "a"))
		}, 1, "b"},
		"a deletion that the watch told before the answer": {func(s *store, src *source) {
			s.begin(src, k)
			s.event(src, applied(5, "a"), false)
			s.event(src, applied(6, "a"), true)
			s.finish(src, k, me(), 1, applied(5, "a"))
		}, 1, ""},
		"a drift that ended by itself": {func(s *store, src *source) {
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(5, "a"))
			s.event(src, applied(6, "b"), false)
			s.event(src, applied(7, "a"), false)
		}, 1, "a"},
		"the end of an object that was replaced": {func(s *store, src *source) {
			old := applied(4, "x")
			old.SetUID("00000000-0000-4000-8000-000000000000")
			s.event(src, old, false)
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(6, "a"))
			gone := old.DeepCopy()
			gone.SetResourceVersion("7")
			s.event(src, gone, true)
		}, 0, "a"},
		"a list of a cluster that was restored": {func(s *store, src *source) {
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(9, "a"))
			s.sweep(src, 9)
			s.relist(src)
			s.event(src, applied(4, "x"), false)
			s.sweep(src, 5)
		}, 1, "x"},
		"a list without the object, of a cluster that was restored": {func(s *store, src *source) {
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(9, "a"))
			s.relist(src)
			s.sweep(src, 5)
		}, 1, ""},
		"a write while a restored cluster is listed": {func(s *store, src *source) {
			s.sweep(src, 9)
			s.relist(src)
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(6, "a"))
			s.sweep(src, 5)
			s.event(src, applied(6, "a"), false)
		}, 0, "a"},
		"a write that failed": {func(s *store, src *source) {
			s.begin(src, k)
			s.finish(src, k, me(), 1, applied(5, "a"))
			s.begin(src, k)
			s.finish(src, k, me(), 2, nil)
			s.event(src, applied(6, "b"), false)
		}, 0, "b"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			wakes := 0
			s, src := bench(t, func(Owner, time.Duration) { wakes++ })
			test.steps(s, src)
			equal(t, test.wakes, wakes)
			sl := src.slots[k]
			if test.value == "" {
				equal(t, false, sl.here)
				return
			}
			want, _ := s.reduce(nil, applied(0, test.value))
			equal(t, want.content, sl.content)
		})
	}
}

func TestFights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var delays []time.Duration
		s, src := bench(t, func(_ Owner, d time.Duration) { delays = append(delays, d) })
		k := key{"default", "a"}
		version := 1
		round := func() {
			s.begin(src, k)
			version++
			s.finish(src, k, me(), 1, applied(version, "a"))
			version++
			s.event(src, applied(version, "theirs"), false)
		}
		for range promptRounds + 3 {
			round()
		}
		equal(t, make([]time.Duration, promptRounds), delays[:promptRounds])
		equal(t, []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}, delays[promptRounds:])
		for range 20 { // an opponent who answers at once, and never tires
			time.Sleep(delays[len(delays)-1]) // of the bubble's clock
			round()
		}
		if rhythm := delays[len(delays)-1]; rhythm < roundEvery/2 || rhythm > 2*roundEvery {
			t.Errorf("the fight goes on every %s", rhythm)
		}
		time.Sleep(2 * promptRounds * roundEvery)
		round()
		equal(t, time.Duration(0), delays[len(delays)-1])
	})
}

func TestTwoOwnersOfOneObjectDoNotWakeEachOther(t *testing.T) {
	wakes := 0
	s, src := bench(t, func(Owner, time.Duration) { wakes++ })
	k := key{"default", "a"}
	s.begin(src, k)
	s.finish(src, k, me(), 1, applied(2, "a"))
	theirs := applied(3, "b")
	theirs.SetLabels(map[string]string{"k/name": "other", "k/namespace": "x"})
	s.begin(src, k)
	s.finish(src, k, author{owner: unique.Make(Owner{"x", "other"})}, 1, theirs)
	s.event(src, theirs, false)
	ours := applied(4, "a")
	s.begin(src, k)
	s.finish(src, k, me(), 1, ours)
	s.event(src, ours, false)
	equal(t, 0, wakes)
}

func TestForgetFreesEverything(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1"), object("v1", "Service", "default", "s", nil)}})
	w.health(append(w.inv, Entry{Group: "apps", Kind: "Deployment", Namespace: "x", Name: "y"}))
	w.Forget(owner())
	w.Forget(owner())
	w.store.mu.Lock()
	equal(t, 0, len(w.store.sources))
	equal(t, 0, len(w.store.tenants))
	w.store.mu.Unlock()
	until(t, func() bool {
		w.api.mu.Lock()
		defer w.api.mu.Unlock()
		return len(w.api.streams) == 0
	})
}

func TestForgetKeepsWhatOthersWatch(t *testing.T) {
	w := newWorld(t)
	_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
	w.Watch(Owner{"x", "other"}, w.inv)
	w.Forget(owner())
	w.settled()
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	equal(t, 1, len(w.store.sources))
	for _, src := range w.store.sources {
		if src.slots[key{"default", "a"}].left != (left{}) {
			t.Error("how the owner left it is still known")
		}
	}
}

func TestUID(t *testing.T) {
	const s = "6b9f1b1e-8a3f-4c6e-9a53-8f4e2f7b8c11"
	equal(t, s, string(parseUID(s).text()))
	for _, odd := range []string{"", "x", "6B9F1B1E-8A3F-4C6E-9A53-8F4E2F7B8C11", "6b9f1b1e8a3f-4c6e-9a53-8f4e2f7b8c11-"} {
		equal(t, uid{}, parseUID(odd))
	}
}

func TestVersion(t *testing.T) {
	equal(t, true, parseVersion("9").older(parseVersion("10")))
	equal(t, false, parseVersion("10").older(parseVersion("9")))
	equal(t, false, parseVersion("9").older(parseVersion("9")))
	equal(t, false, parseVersion("a").older(parseVersion("b")) || parseVersion("b").older(parseVersion("a")))
	equal(t, parseVersion("a"), parseVersion("a"))
	for _, odd := range []string{"", "0", "007", "a", "9223372036854775808"} {
		equal(t, false, parseVersion(odd).older(parseVersion("10")) || parseVersion("10").covers(parseVersion(odd)))
	}
}

// BenchmarkRecordMemory reports what a managed object costs at rest.
func BenchmarkRecordMemory(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		s, src := bench(b, nil)
		before := heap()
		for i := range n {
			obj := applied(i+1, "x")
			obj.SetName(fmt.Sprintf("some-workload-%d-config", i))
			obj.SetUID("6b9f1b1e-8a3f-4c6e-9a53-8f4e2f7b8c11")
			s.event(src, obj, false)
			k := key{unique.Make("default").Value(), obj.GetName()}
			s.settle(src, k, me(), 1, src.slots[k].owned)
		}
		b.ReportMetric(float64(heap()-before)/n, "B/object")
		runtime.KeepAlive(src)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkPlanUnchanged is the hot path at rest: 400 objects, nothing to do.
func BenchmarkPlanUnchanged(b *testing.B) {
	w := newWorld(b)
	var objects []*unstructured.Unstructured
	for i := range 400 {
		obj := parse(b, deployment)
		obj.SetName(fmt.Sprintf("web-%d", i))
		obj.SetManagedFields(nil)
		objects = append(objects, obj)
	}
	for range 2 {
		if _, err := w.pass(Request{Objects: objects}); err != nil {
			b.Fatal(err)
		}
	}
	w.settled()
	b.ReportAllocs()
	for b.Loop() {
		p, err := w.Plan(b.Context(), Request{Owner: owner(), Objects: objects, Inventory: w.inv})
		if err != nil || !p.Unchanged() {
			b.Fatal(err, p.Candidates())
		}
	}
}

// me is the owner of these tests, as the process itself.
func me() author { return author{owner: unique.Make(owner())} }
