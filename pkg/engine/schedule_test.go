package engine

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func named(name string) Key { return Key{GroupKind: gitKind, Namespace: "edge", Name: name} }

func TestSchedule(t *testing.T) {
	type step func(s *schedule, start time.Time)
	hasten := func(name string, seconds int) step {
		return func(s *schedule, start time.Time) {
			s.hasten(named(name), start.Add(time.Duration(seconds)*time.Second))
		}
	}
	drop := func(name string) step { return func(s *schedule, _ time.Time) { s.drop(named(name)) } }
	pass := func(seconds int) step {
		return func(*schedule, time.Time) {
			time.Sleep(time.Duration(seconds) * time.Second) // of the bubble's clock
			synctest.Wait()
		}
	}
	tests := map[string]struct {
		steps []step
		want  []string // name and second
	}{
		"earliest first":           {[]step{hasten("b", 2), hasten("a", 1), hasten("c", 3)}, []string{"a 1", "b 2", "c 3"}},
		"brought forward":          {[]step{hasten("a", 5), hasten("a", 2)}, []string{"a 2"}},
		"never put off":            {[]step{hasten("a", 2), hasten("a", 5)}, []string{"a 2"}},
		"dropped":                  {[]step{hasten("a", 1), hasten("b", 2), drop("a")}, []string{"b 2"}},
		"dropped and due again":    {[]step{hasten("a", 1), drop("a"), hasten("a", 4)}, []string{"a 4"}},
		"due in the past":          {[]step{pass(3), hasten("a", 1)}, []string{"a 3"}},
		"due again after it was":   {[]step{hasten("a", 1), pass(2), hasten("a", 4)}, []string{"a 1", "a 4"}},
		"nothing after the end":    {[]step{hasten("a", 3), pass(1), func(s *schedule, _ time.Time) { s.stop() }, hasten("b", 2)}, nil},
		"unknown ones are no harm": {[]step{drop("x")}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var mu sync.Mutex
				var got []string
				s := newSchedule(func(k Key) {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, k.Name+" "+strconv.Itoa(int(time.Since(start).Seconds())))
				})
				for _, step := range test.steps {
					step(s, start)
				}
				pass(10)(s, start)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("fired (-want +got): %s", diff)
				}
			})
		})
	}
}

// Whatever is asked for in whatever order, every key fires once, at the earliest
// time that was asked for since it was dropped last.
func TestScheduleFiresEverythingOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		late := make(map[Key]time.Duration)
		want := make(map[Key]time.Time)
		var mu sync.Mutex
		s := newSchedule(func(k Key) {
			mu.Lock()
			defer mu.Unlock()
			late[k] += time.Since(want[k]) + 1
		})
		mu.Lock() // until all is asked for
		r := rand.New(rand.NewPCG(1, 2))
		for range 5000 {
			k := named(strconv.Itoa(r.IntN(300)))
			if r.IntN(5) == 0 {
				s.drop(k)
				delete(want, k)
				continue
			}
			at := start.Add(time.Duration(1+r.IntN(100_000)) * time.Millisecond)
			s.hasten(k, at)
			if old, ok := want[k]; !ok || at.Before(old) {
				want[k] = at
			}
		}
		mu.Unlock()
		time.Sleep(time.Hour) // of the bubble's clock
		synctest.Wait()
		if len(late) != len(want) {
			t.Errorf("%d keys fired, want %d", len(late), len(want))
		}
		for k, d := range late {
			if d != 1 {
				t.Errorf("%s fired late by %s, or twice", k, d)
			}
		}
	})
}
