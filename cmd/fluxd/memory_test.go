package main

import (
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/go-logr/logr"
)

func TestGoal(t *testing.T) {
	for limit, want := range map[uint64]uint64{
		16 << 20:  8 << 20, // less than the program: at least something
		32 << 20:  16 << 20,
		64 << 20:  40 << 20,
		128 << 20: 104 << 20,
		1000:      500,
		1 << 30:   1 << 30 / 100 * 85,
	} {
		if got := goal(limit); got != want {
			t.Errorf("below %d bytes: %d, want %d", limit, got, want)
		}
	}
}

func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	set := func(limit uint64, err error) int64 {
		debug.SetMemoryLimit(math.MaxInt64)
		limitMemory(func() (uint64, error) { return limit, err }, logr.Discard())
		return debug.SetMemoryLimit(-1)
	}
	if got := set(512<<20, nil); got != int64(goal(512<<20)) {
		t.Errorf("with a limit: %d", got)
	}
	if got := set(0, memlimit.ErrNoLimit); got != math.MaxInt64 {
		t.Errorf("without a limit: %d", got)
	}
	if got := set(0, errors.New("there are no cgroups")); got != math.MaxInt64 {
		t.Errorf("without knowing: %d", got)
	}
	t.Setenv("GOMEMLIMIT", "100MiB")
	if got := set(512<<20, nil); got != math.MaxInt64 {
		t.Errorf("GOMEMLIMIT does not count: %d", got)
	}
}

func TestThrift(t *testing.T) {
	tests := []struct {
		name string
		work []time.Duration // pauses before each piece of work
		wait time.Duration   // after the last
		want int
	}{
		{"nothing happened", nil, time.Hour, 0},
		{"a burst", []time.Duration{0, time.Second, time.Second}, calm + time.Second, 1},
		{"a burst that may go on", []time.Duration{0, time.Second}, calm / 2, 0},
		{"two bursts", []time.Duration{0, time.Minute}, time.Minute, 2},
		{"then nothing", []time.Duration{0}, time.Hour, 1},
		{"work without a pause", repeat(time.Second, 300), 0, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				given := 0
				th := &thrift{release: func() { given++ }}
				for _, pause := range test.work {
					time.Sleep(pause) // of the bubble's clock
					th.worked()
				}
				time.Sleep(test.wait)
				synctest.Wait()
				if given != test.want {
					t.Errorf("memory was given back %d times, want %d", given, test.want)
				}
			})
		})
	}
}

func repeat(d time.Duration, n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = d
	}
	return all
}

func TestReleaseMemory(t *testing.T) {
	ballast := make([]byte, 32<<20)
	for i := range ballast {
		ballast[i] = byte(i)
	}
	runtime.GC() // all of it was alive when that was last looked at
	before := released()
	runtime.KeepAlive(ballast)
	ballast = nil
	h := &heap{}
	h.release()
	if got := int64(released()) - int64(before); got < 24<<20 {
		t.Errorf("of 32 MiB, %d bytes were given back", got)
	}
	rest := h.rest
	if h.release(); h.rest != rest {
		t.Error("a second time right after it counts as worthwhile")
	}
}

// released returns how many bytes of the heap the system has got back.
func released() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
