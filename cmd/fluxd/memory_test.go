package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"
)

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
