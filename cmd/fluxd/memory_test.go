package main

import (
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
	before := reclaimable()
	ballast = nil
	after := reclaimable()
	for range 10 { // the collector may be at work for an earlier test
		if after < worthwhile {
			return
		}
		releaseMemory()
		after = reclaimable()
	}
	t.Errorf("%d bytes are held for nothing, %d before", after, before)
}
