package render

import (
	"context"
	"fmt"
	"runtime"
	"testing"
)

func documents(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web-%d","labels":{"app":"web"}},`+
			`"spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},`+
			`"spec":{"containers":[{"name":"web","image":"example/web:%d","ports":[{"containerPort":80}],"resources":{"limits":{"memory":"64Mi"}}}]}}}}`, i, i)
	}
	return out
}

// BenchmarkRender tells what the cache adds to a build, and what a build costs that is
// had again.
func BenchmarkRender(b *testing.B) {
	for _, n := range []int{4, 1000} {
		for _, again := range []bool{false, true} {
			b.Run(fmt.Sprintf("objects=%d/cached=%v", n, again), func(b *testing.B) {
				c := NewCache(0, nil)
				j := Job{Tree: files{}, Build: func(context.Context, *Trace) ([][]byte, error) { return documents(n), nil }}
				b.ReportAllocs()
				for b.Loop() {
					if !again {
						c.Forget(j.Owner)
					}
					if _, err := c.Render(context.Background(), j); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(c.Stats().Used), "B-held")
			})
		}
	}
}

// BenchmarkIdle tells the heap that 100 remembered builds of 4 objects take.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		before := heap()
		c := NewCache(0, nil)
		for i := range 100 {
			j := Job{Owner: Owner{"n", fmt.Sprint(i)}, Tree: files{}, Build: func(_ context.Context, t *Trace) ([][]byte, error) {
				for k := range 10 {
					t.Content(files{}, fmt.Sprint("apps/", i, "/", k))
				}
				return documents(4), nil
			}}
			if _, err := c.Render(context.Background(), j); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before), "B-idle")
		runtime.KeepAlive(c)
	}
}

func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
