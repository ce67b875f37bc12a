package events

import (
	"context"
	"time"
)

const (
	// prompt is how many facts in a row are handed on at once, whatever else there
	// is to do: more than a person causes.
	prompt = 20
	// regain is how long it takes until one more is.
	regain = 200 * time.Millisecond
	// longestHold is how old a fact gets before it is handed on in any case.
	longestHold = 5 * time.Second
)

// Pace holds facts back while the process has work that matters more: what makes an
// object ready goes before what tells of it. A few facts always pass at once, so
// that who waits for one does not wait for others; those of a burst wait until
// nobody waits for a worker any more, for five seconds at most.
//
// A Pace belongs to one observer.
type Pace struct {
	busy   func() bool
	credit float64   // facts that may pass
	at     time.Time // when credit was so much
}

// NewPace returns a pace of a process whose work is told of by busy, which is called
// a few times a second.
func NewPace(busy func() bool) *Pace { return &Pace{busy: busy, credit: prompt} }

// hold returns when f may be handed on, or when ctx ends or hurry is closed.
func (p *Pace) hold(ctx context.Context, f Fact, hurry <-chan struct{}) {
	due := time.Now().Add(longestHold)
	if !f.Time.IsZero() {
		due = f.Time.Add(longestHold)
	}
	for {
		now := time.Now()
		if p.pass(now) || !now.Before(due) || !p.busy() {
			return
		}
		wait := time.NewTimer(min(due.Sub(now), regain))
		select {
		case <-wait.C:
		case <-hurry:
			wait.Stop()
			return
		case <-ctx.Done():
			wait.Stop()
			return
		}
	}
}

// pass says whether a fact may pass at once, and counts it if so.
func (p *Pace) pass(now time.Time) bool {
	p.credit = min(prompt, p.credit+float64(now.Sub(p.at))/float64(regain))
	p.at = now
	if p.credit < 1 {
		return false
	}
	p.credit--
	return true
}
