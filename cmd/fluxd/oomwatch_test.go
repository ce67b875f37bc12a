package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
)

// cgroupIn makes files as those of a cgroup and returns their folder.
func cgroupIn(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir() + "/"
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(root+name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMemoryWatchFindsItsFiles(t *testing.T) {
	flags := memoryFlags{interval: time.Second, threshold: 50}
	tests := map[string]struct {
		files map[string]string
		limit uint64 // none: refused
	}{
		"a newer cgroup": {map[string]string{"memory.max": "1000\n", "memory.current": "1\n"}, 1000},
		"an older one":   {map[string]string{"memory/memory.limit_in_bytes": "2000", "memory/memory.usage_in_bytes": "1"}, 2000},
		"both":           {map[string]string{"memory.max": "1000", "memory.current": "1", "memory/memory.limit_in_bytes": "2000", "memory/memory.usage_in_bytes": "1"}, 1000},
		"without limit":  {map[string]string{"memory.max": "max", "memory.current": "1"}, 0},
		"no use":         {map[string]string{"memory.max": "1000"}, 0},
		"none at all":    {nil, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w, err := newMemoryWatch(flags, cgroupIn(t, test.files))
			if (err != nil) != (test.limit == 0) {
				t.Fatal(err)
			}
			if err == nil && (w.limit != test.limit || w.threshold != test.limit/2) {
				t.Errorf("limit %d, threshold %d", w.limit, w.threshold)
			}
		})
	}
}

func TestMemoryWatchStops(t *testing.T) {
	root := cgroupIn(t, map[string]string{"memory.max": "1000", "memory.current": "899"})
	w, err := newMemoryWatch(memoryFlags{interval: time.Second, threshold: 90}, root)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		go w.run(ctx, logr.Discard(), stop)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("it stops below the threshold")
		}
		if err := os.WriteFile(root+"memory.current", []byte("900\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		if context.Cause(ctx) != errMemory {
			t.Errorf("it stops because of %v", context.Cause(ctx))
		}
	})
}

func TestMemoryFlags(t *testing.T) {
	for arg, ok := range map[string]bool{
		"--oom-watch-interval=50ms": true, "--oom-watch-interval=49ms": false,
		"--oom-watch-memory-threshold=100": true, "--oom-watch-memory-threshold=0": false, "--oom-watch-memory-threshold=101": false,
	} {
		if _, err := parse(t, arg, "--feature-gates=OOMWatch=true"); (err == nil) != ok {
			t.Errorf("%s: %v", arg, err)
		}
		if _, err := parse(t, arg); err != nil {
			t.Errorf("%s without the feature gate: %v", arg, err)
		}
	}
	if _, err := parse(t, "--snapshot-digest-algo=md5"); err == nil {
		t.Error("md5 is accepted")
	}
}
