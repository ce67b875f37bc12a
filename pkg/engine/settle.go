package engine

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Timing says when objects run again.
type Timing struct {
	// Jitter is the fraction, from 0 to 1, by which an interval may be shorter
	// or longer, so that objects that were created together drift apart.
	Jitter float64
	// MinRetry and MaxRetry bound the exponential backoff of failures.
	MinRetry, MaxRetry time.Duration
}

// ending is how a run of a reconciler ended.
type ending struct {
	result reconcilers.Result
	err    error
}

// verdict is what an ending means, beyond the conditions.
type verdict struct {
	// after is when the object runs again; zero is at once, never no time.
	after time.Duration
	// failures is the new count of failed runs in a row.
	failures int
	// fact is what to tell people; its subject is filled in by the caller. It
	// is told only if something changed, or somebody asked, unless always.
	fact   *events.Fact
	always bool
	cold   bool
}

// never is the delay of an object that no timer wakes.
const never = time.Duration(-1)

// settle turns an ending into conditions of obj and a verdict. It is the one
// place that sets Ready, Reconciling, Stalled and the observed generation, and
// the only reader of faults.
func settle(obj api.Object, end ending, o reconcilers.Options, t Timing, failures int, now time.Time) verdict {
	s := settlement{obj: obj, now: now, timing: t, failures: failures, summary: end.result.Summary}
	summarised, ok := errors.AsType[*fault.SummarisedError](end.err)
	if !ok {
		return s.judge(end, o)
	}
	s.summary = &summarised.Summary
	v := s.judge(end, o)
	v.fact = nil
	return v
}

// judge is the table of endings.
func (s settlement) judge(end ending, o reconcilers.Options) verdict {
	if stalled, ok := errors.AsType[*fault.StalledError](end.err); ok {
		return s.stalled(stalled)
	}
	if waiting, ok := errors.AsType[*fault.WaitingError](end.err); ok {
		return s.waiting(waiting)
	}
	if failed, ok := errors.AsType[*fault.FailedError](end.err); ok {
		v := s.failed(failed.Reason, end.err, failed.Backoff, o)
		v.after = max(v.after, failed.NotBefore)
		if failed.After > 0 {
			v.after = s.timing.jittered(failed.After)
			s.obj.SetObservedGeneration(s.obj.GetGeneration())
		}
		return v
	}
	switch {
	case end.err != nil:
		return s.failed(o.FailureReason, end.err, true, o)
	case end.result.Again:
		return s.again(end.result)
	default:
		return s.ready(end.result)
	}
}

// settlement is one call of settle.
type settlement struct {
	obj      api.Object
	now      time.Time
	timing   Timing
	failures int
	summary  *fault.Summary // what Ready says whatever the ending; nil is nothing
}

// setReady sets Ready, unless the run was summed up differently.
func (s settlement) setReady(status metav1.ConditionStatus, reason, message string) {
	if s.summary != nil {
		status, reason, message = s.summary.Status, s.summary.Reason, s.summary.Message
	}
	s.set(api.ConditionReady, status, reason, message)
}

func (s settlement) set(kind string, status metav1.ConditionStatus, reason, message string) {
	s.obj.SetConditions(conditions.Set(s.obj.GetConditions(), metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: s.obj.GetGeneration(),
	}, s.now))
}

func (s settlement) drop(kinds ...string) {
	s.obj.SetConditions(conditions.Delete(s.obj.GetConditions(), kinds...))
}

func (s settlement) ready(r reconcilers.Result) verdict {
	s.setReady(metav1.ConditionTrue, r.Reason, r.Message)
	s.drop(api.ConditionReconciling, api.ConditionStalled)
	s.obj.SetObservedGeneration(s.obj.GetGeneration())
	v := verdict{after: s.interval()}
	if r.Fact != nil {
		v.fact = &events.Fact{
			Severity: events.Info, Reason: r.Fact.Reason, Message: r.Fact.Message, Annotations: r.Fact.Annotations,
		}
		v.always = !r.Fact.Routine
	}
	return v
}

func (s settlement) again(r reconcilers.Result) verdict {
	s.set(api.ConditionReconciling, metav1.ConditionTrue, api.ReasonProgressing, r.Progress)
	if s.summary != nil || !conditions.Has(s.obj.GetConditions(), api.ConditionReady) {
		s.setReady(metav1.ConditionUnknown, api.ReasonProgressing, r.Progress)
	}
	s.drop(api.ConditionStalled)
	return verdict{failures: s.failures}
}

func (s settlement) stalled(e *fault.StalledError) verdict {
	s.setReady(metav1.ConditionFalse, e.Reason, e.Error())
	s.set(api.ConditionStalled, metav1.ConditionTrue, e.Reason, e.Error())
	s.drop(api.ConditionReconciling)
	s.obj.SetObservedGeneration(s.obj.GetGeneration())
	return verdict{
		after: never,
		fact:  &events.Fact{Severity: events.Error, Reason: e.Reason, Message: e.Error()},
	}
}

func (s settlement) waiting(e *fault.WaitingError) verdict {
	v := verdict{after: e.After, failures: s.failures, cold: e.KeepReady}
	switch {
	case e.After == 0:
		v.after = never
	case e.After < 0: // its deadline has passed on the way here
		v.after = s.timing.MinRetry
	}
	if !e.Quiet {
		v.fact = &events.Fact{Severity: events.Info, Reason: e.Reason, Message: e.Error()}
	}
	if e.KeepReady && s.judgedThisGeneration() {
		return v
	}
	status, reconciling := metav1.ConditionFalse, api.ReasonProgressingWithRetry
	if e.Reason == api.ReasonProgressing {
		status, reconciling = metav1.ConditionUnknown, api.ReasonProgressing
	}
	s.setReady(status, e.Reason, e.Error())
	s.set(api.ConditionReconciling, metav1.ConditionTrue, reconciling, e.Error())
	s.drop(api.ConditionStalled)
	return v
}

// judgedThisGeneration says whether Ready tells how the present generation went, well or not.
// Flux leaves the observed generation of an object that has failed as it was, so that for
// such a one the generation in the condition counts.
func (s settlement) judgedThisGeneration() bool {
	ready := conditions.Get(s.obj.GetConditions(), api.ConditionReady)
	switch {
	case ready == nil:
		return false
	case ready.Status == metav1.ConditionTrue:
		return s.obj.GetObservedGeneration() == s.obj.GetGeneration()
	}
	return ready.Status == metav1.ConditionFalse && ready.ObservedGeneration == s.obj.GetGeneration()
}

func (s settlement) failed(reason string, err error, backoff bool, o reconcilers.Options) verdict {
	s.setReady(metav1.ConditionFalse, reason, err.Error())
	s.set(api.ConditionReconciling, metav1.ConditionTrue, api.ReasonProgressingWithRetry, err.Error())
	s.drop(api.ConditionStalled)
	v := verdict{
		after: s.obj.GetRetryInterval(),
		fact:  &events.Fact{Severity: events.Error, Reason: reason, Message: err.Error()},
	}
	var delay time.Duration
	v.failures, delay = s.timing.fail(s.failures, backoff && o.AsksServerOnly && kube.Unwell(err))
	switch {
	case v.after <= 0:
		v.after = delay
	case backoff:
		v.after = min(v.after, delay)
	}
	return v
}

// interval returns the object's interval, jittered, or never if it has none.
func (s settlement) interval() time.Duration {
	d := s.obj.GetRequeueAfter()
	if d <= 0 {
		return never
	}
	return s.timing.jittered(d)
}

// jittered returns d, somewhat shorter or longer.
func (t Timing) jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 + t.Jitter*(2*rand.Float64()-1)))
}

// slowestUnwell bounds the delay after a failure that is not about the object but about
// the state that the API server is in. Such failures meet all objects alike, which would
// otherwise be as far behind, once it is well, as it was ill.
const slowestUnwell = 30 * time.Second

// fail counts one more failed run in a row and returns the delay after it. Failures of the
// API server count until the delay is as long as they may make it.
func (t Timing) fail(failures int, unwell bool) (count int, delay time.Duration) {
	delay = t.backoff(failures + 1)
	if unwell && delay > slowestUnwell {
		return failures, slowestUnwell
	}
	return failures + 1, delay
}

// backoff returns the delay after the given number of failures in a row.
func (t Timing) backoff(failures int) time.Duration {
	d := t.MinRetry
	for ; failures > 1 && d < t.MaxRetry; failures-- {
		d *= 2
	}
	return min(d, t.MaxRetry)
}
