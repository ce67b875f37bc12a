package main

import (
	"errors"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/go-logr/logr"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

const (
	// program is what of the executable work reads, in bytes, and some for the kernel:
	// page tables, sockets. It counts for the limit of the cgroup and not for what the
	// collector counts.
	program = 24 << 20
	// roomy is the limit from which on all of the executable fits beside the heap.
	roomy = 96 << 20
)

// goal returns the bytes that the garbage collector keeps to under a limit: 85 percent, or
// what leaves room for the program if that is less, but half of it at least. With no room
// for the program the kernel would take its pages away and read them again all the time.
func goal(limit uint64) uint64 {
	return max(limit/2, min(limit/100*85, limit-min(limit, program)))
}

// limitMemory sets the garbage collector's goal below the limit of the cgroup, where there
// is one and GOMEMLIMIT does not say otherwise.
func limitMemory(limit memlimit.Provider, log logr.Logger) {
	set, err := memlimit.Set(memlimit.WithRatio(1), memlimit.WithProvider(func() (uint64, error) {
		bytes, err := limit()
		if err != nil {
			return 0, err
		}
		if bytes < roomy {
			if err := readSparsely(); err != nil {
				log.Error(err, "cannot tell the kernel how the program is read: with this memory limit it may read it again and again", "limit", bytes)
			}
		}
		return goal(bytes), nil
	}))
	switch {
	case errors.Is(err, memlimit.ErrCgroupsNotSupported), errors.Is(err, memlimit.ErrNoCgroup):
		log.V(1).Info("no memory limit to heed", "reason", err.Error())
	case err != nil:
		log.Error(err, "cannot tell the memory limit: memory is taken as if there were none")
	default:
		log.V(1).Info("memory limit", "bytes", set)
	}
}

const (
	// resting is what the process takes without work and without artifacts.
	resting = 16 << 20
	// minHeadroom is what fetches may take however small the limit is.
	minHeadroom = 16 << 20
)

// headroom returns the memory that fetches share: two thirds, since they can take
// half as much again, of what the limit leaves beside the budgets. It is nil where
// there is no limit.
func headroom(budgets int64) *artifacts.Headroom {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return nil
	}
	return artifacts.NewHeadroom(max((limit-resting-budgets)*2/3, minHeadroom))
}

// spare returns the memory that one piece of work may take at most: what the limit leaves
// beside a process at rest. It is zero where there is no limit.
func spare() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return 0
	}
	return max(limit-resting, minHeadroom)
}

const (
	// calm is how long nothing has to happen for a burst to be over.
	calm = 10 * time.Second
	// restless is how long it may take until memory is given back in between.
	restless = 2 * time.Minute
	// worthwhile is how many bytes have to be free for a collection to pay.
	worthwhile = 3 << 20
)

// thrift gives memory back to the system after a burst of work. The runtime would
// keep it for minutes, in the hope of the next burst, and be idle for hours.
type thrift struct {
	release func()

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	since time.Time // of the first work since memory was given back, if any
}

// worked is told of work that was done.
func (t *thrift) worked() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	switch {
	case t.since.IsZero():
		t.since = now
	case now.Sub(t.since) > restless:
		return // the timer runs already and is not put off again
	}
	if t.timer == nil {
		t.timer = time.AfterFunc(calm, t.give)
		return
	}
	t.timer.Reset(calm)
}

func (t *thrift) give() {
	t.mu.Lock()
	t.since = time.Time{}
	t.mu.Unlock()
	t.release()
}

// heap collects garbage and gives free memory back, if that is worth it.
type heap struct {
	rest uint64 // what was live when memory was last given back, in bytes
}

func (h *heap) release() {
	held, _ := h.read()
	if held-min(held, h.rest) < worthwhile {
		return
	}
	debug.FreeOSMemory()
	_, h.rest = h.read()
}

// read returns how many bytes are held for objects, dead or alive, and for none, and
// how many were found to be alive when that was last looked at. The gaps between
// objects do not count: no collection closes them.
func (h *heap) read() (held, live uint64) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64(), samples[2].Value.Uint64()
}
