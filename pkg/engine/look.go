package engine

import (
	"slices"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// How the last run of an object ended.
const (
	EndedReady   = "ready"
	EndedWaiting = "waiting"
	EndedStalled = "stalled"
	EndedFailed  = "failed"
)

// State is where an object stands in the engine, for people who ask. It is a copy.
type State struct {
	// Queued and Running say where the object is. One that runs and is queued runs once
	// more.
	Queued, Running bool
	// Parked says that no timer wakes the object.
	Parked bool
	// Since is when it began to be queued, to run or to rest; zero before its first run.
	Since time.Time
	// Due is when it runs next unless it is woken before; zero if that is at no time.
	Due time.Time
	// Failures counts the failed runs since the last good one.
	Failures int
	// Cold says that the last run waited for bytes that memory does not have.
	Cold bool
	// Held is until when the crash ledger holds the object back; zero if it does not.
	Held time.Time
	// Ended is when the last run of this process ended and Last how, which is one of the
	// constants above; zero before.
	Ended time.Time
	Last  string
	// Reads is what wakes the object when it changes.
	Reads []reconcilers.Ref
}

// State returns where an object stands, and whether the engine knows of it. It takes
// locks for as long as it takes to copy, and asks nobody.
func (e *Engine) State(key Key) (State, bool) {
	var s State
	known := false
	e.table.mu.Lock()
	if own, ok := e.table.states[key]; ok {
		known = true
		s = State{
			Queued: own.queued, Running: own.running, Parked: own.parked, Since: own.since,
			Failures: own.failures, Cold: own.cold, Ended: own.ended, Last: own.last,
		}
	}
	s.Reads = slices.Clone(e.table.index.reads[key])
	e.table.mu.Unlock()
	s.Due, _ = e.schedule.at(key)
	s.Held = e.Ledger.until(key)
	return s, known || len(s.Reads) > 0 || !s.Due.IsZero()
}

// until returns until when key is held back, zero if it is not.
func (l *Ledger) until(key Key) time.Time {
	if l == nil {
		return time.Time{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until, ok := l.held[key]; ok && time.Now().Before(until) {
		return until
	}
	return time.Time{}
}

// endOf says how a run ended, of which before is the number of failures before it.
func endOf(work api.Object, v verdict, before int) string {
	list := work.GetConditions()
	switch {
	case v.failures > before:
		return EndedFailed
	case conditions.IsTrue(list, api.ConditionStalled):
		return EndedStalled
	case v.cold || conditions.IsTrue(list, api.ConditionReconciling):
		return EndedWaiting
	}
	return EndedReady
}
