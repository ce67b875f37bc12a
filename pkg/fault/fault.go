// Package fault holds the ways a reconcile can end badly, as types.
//
// A reconciler classifies an error once, at the step where it knows what the
// error means, and the engine reads the class once, in settle:
//
//   - [StalledError]: only an edit can help. Nothing is retried.
//   - [WaitingError]: somebody else must move first. The change of a reference
//     wakes the object; the deadline is a fallback, not a poll.
//   - [FailedError]: worth another try, after the kind's retry interval or
//     with backoff.
//
// Any other error is retried with backoff, so forgetting to classify is safe,
// merely slower. Every class carries the reason of the Ready condition and
// unwraps to its cause. The package imports nothing of fluxd.
//
// Where the end of a run is not what people should read in Ready, as when a release
// that failed is to be tried again later, the error is wrapped with a [Summary].
package fault

import (
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StalledError says that only an edit of the object, or of something it
// reads, can help.
type StalledError struct {
	// Reason is the condition reason of Ready and Stalled.
	Reason string
	Err    error
}

// WaitingError says that something outside must happen first.
type WaitingError struct {
	// Reason is the condition reason of Ready. The reason Progressing leaves
	// Ready Unknown; every other reason makes it False.
	Reason string
	Err    error
	// After is how long to wait before running again if nothing wakes the
	// object earlier. Zero means: only a change wakes it.
	After time.Duration
	// KeepReady leaves a Ready of the same generation in place, be it True or False. It is for
	// what fluxd itself has not loaded yet, such as an artifact after a
	// restart: not knowing is not a failure.
	KeepReady bool
	// Quiet publishes no fact about the wait.
	Quiet bool
}

// FailedError says that the reconcile failed and is worth another try.
type FailedError struct {
	// Reason is the condition reason of Ready.
	Reason string
	Err    error
	// Backoff retries with exponential backoff even where the kind has a retry
	// interval of its own, which is then the longest delay.
	Backoff bool
	// NotBefore is how long not to try again at the least, because somebody asked
	// for a pause.
	NotBefore time.Duration
	// After is the delay until the next try, give or take the jitter, in place of the
	// kind's retry interval and of any backoff. What was asked for has been carried
	// out, and failed: the status speaks of the present generation.
	After time.Duration
}

// Summary is what the Ready condition says in place of what the end of the run means
// for it.
type Summary struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

// SummarisedError is an error of any class whose run is summed up by the reconciler:
// the class decides what comes next, the summary what Ready says. No fact is published;
// whoever sums up has told what happened.
type SummarisedError struct {
	Summary
	Err error
}

func (e *StalledError) Error() string { return e.Err.Error() }
func (e *WaitingError) Error() string { return e.Err.Error() }
func (e *FailedError) Error() string  { return e.Err.Error() }

// Error implements the error interface.
func (e *SummarisedError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the run.
func (e *SummarisedError) Unwrap() error { return e.Err }

func (e *StalledError) Unwrap() error { return e.Err }
func (e *WaitingError) Unwrap() error { return e.Err }
func (e *FailedError) Unwrap() error  { return e.Err }

// Stalled returns a [StalledError].
func Stalled(reason string, err error) error { return &StalledError{Reason: reason, Err: err} }

// Waiting returns a [WaitingError] that runs again after the given time at the
// latest, or only on a change if after is zero.
func Waiting(reason string, err error, after time.Duration) error {
	return &WaitingError{Reason: reason, Err: err, After: after}
}

// Cold returns a [WaitingError] for something fluxd has yet to load: Ready=True
// and Ready=False are kept and nobody is told.
func Cold(reason string, err error, after time.Duration) error {
	return &WaitingError{Reason: reason, Err: err, After: after, KeepReady: true, Quiet: true}
}

// Failed returns a [FailedError] that is retried after the kind's retry
// interval, or with backoff where it has none.
func Failed(reason string, err error) error { return &FailedError{Reason: reason, Err: err} }

// Backoff returns a [FailedError] that is always retried with backoff.
func Backoff(reason string, err error) error {
	return &FailedError{Reason: reason, Err: err, Backoff: true}
}

// Later is [Backoff] that does not try again before the given time is over.
func Later(reason string, err error, notBefore time.Duration) error {
	return &FailedError{Reason: reason, Err: err, Backoff: true, NotBefore: notBefore}
}

// Retry returns a [FailedError] that is tried again after the given time.
func Retry(reason string, err error, after time.Duration) error {
	return &FailedError{Reason: reason, Err: err, After: after}
}

// Summarised returns err with what Ready says instead.
func Summarised(err error, s Summary) error { return &SummarisedError{Summary: s, Err: err} }

// Reason returns the condition reason that err carries, or fallback if err was
// never classified.
func Reason(err error, fallback string) string {
	if e, ok := errors.AsType[*StalledError](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*WaitingError](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*FailedError](err); ok {
		return e.Reason
	}
	return fallback
}
