package clusters

import (
	"errors"
	"sync"
	"time"

	"github.com/fluxd/fluxd/pkg/identity"
)

// Limits of how long a cloud that does not answer is left alone.
const (
	firstSilence = 10 * time.Second
	longSilence  = 2 * time.Minute
	maxAsked     = 256
)

// asked keeps objects from waiting for the same silent cloud one after another: one
// asks at a time, the others get [ErrConnecting], and after a failure that error for a
// while. An answer is no failure, whatever it says: a mistake that was put right must
// count at once.
type asked struct {
	now func() time.Time

	mu   sync.Mutex // guards asks
	asks map[string]*question
}

// question is one that is under way, or was not answered.
type question struct {
	busy     bool
	err      error
	until    time.Time // nobody asks before
	failures int       // in a row
}

func newAsked() *asked { return &asked{now: time.Now, asks: map[string]*question{}} }

// ask calls f unless somebody else does, or nobody should.
func (a *asked) ask(key string, f func() ([]identity.Endpoint, error)) ([]identity.Endpoint, error) {
	q, err := a.begin(key)
	if err != nil {
		return nil, err
	}
	found, err := f()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil || answered(err) {
		delete(a.asks, key)
		return found, err
	}
	q.busy, q.err = false, err
	q.until = a.now().Add(min(firstSilence<<min(q.failures, 10), longSilence))
	q.failures++
	return nil, err
}

func (a *asked) begin(key string) (*question, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.asks[key]
	switch {
	case q == nil:
		q = &question{}
		for other, one := range a.asks {
			if len(a.asks) >= maxAsked && !one.busy {
				delete(a.asks, other)
			}
		}
		a.asks[key] = q
	case q.busy:
		return nil, ErrConnecting
	case a.now().Before(q.until):
		return nil, q.err
	}
	q.busy = true
	return q, nil
}

// answered says whether an error is somebody's answer.
func answered(err error) bool {
	for _, answer := range []error{identity.ErrRefused, identity.ErrConfig, identity.ErrNoAccount, identity.ErrNoDefaultAccount, identity.ErrObjectLevelDisabled} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}
