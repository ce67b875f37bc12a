package bucket_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkFetch fetches 5,000 small objects that were never seen.
func BenchmarkFetch(b *testing.B) {
	w := many(b)
	b.ReportAllocs()
	for b.Loop() {
		w.tree, w.known = nil, nil
		w.mustFetch()
	}
	w.report(b)
}

// BenchmarkUnchanged looks at them when nothing has changed.
func BenchmarkUnchanged(b *testing.B) {
	w := many(b)
	want := w.mustFetch().Revision
	w.server.Asked()
	b.ReportAllocs()
	for b.Loop() {
		listing, err := w.source.List(b.Context(), w.known)
		if err != nil || listing.Revision() != want {
			b.Fatal(err)
		}
	}
	w.report(b)
}

// BenchmarkOneChanged fetches them when one of them has changed.
func BenchmarkOneChanged(b *testing.B) {
	w := many(b)
	w.mustFetch()
	w.server.Asked()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.server.Put("app-0000.yaml", fmt.Sprint(i))
		w.mustFetch()
	}
	w.report(b)
}

func many(b *testing.B) *world {
	w := newWorld(b)
	for i := range 5000 {
		w.server.Put(fmt.Sprintf("app-%04d.yaml", i), strings.Repeat(fmt.Sprintf("line %d\n", i), 40))
	}
	runtime.GC()
	return w
}

// report counts the requests of one operation.
func (w *world) report(b *testing.B) {
	lists, opens := w.server.Asked()
	b.ReportMetric(float64(lists+len(opens))/float64(b.N), "requests/op")
}
