package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// LeaseOptions say which Lease is held and for how long.
type LeaseOptions struct {
	Namespace, Name string
	// Identity tells this process from others; a Pod's name will do.
	Identity string
	// Duration is how long others wait after the last renewal that they saw
	// before they take over, Renew how long the holder tries to renew before it
	// gives up, Retry the time between two tries.
	Duration, Renew, Retry time.Duration
	// Every is the time from one renewal to the next; 0 means Retry. A Lease that
	// lasts long need not be renewed often.
	Every time.Duration
	// Predecessor tells holders that are known to be gone: their Lease is taken at
	// once. nil knows none.
	Predecessor func(holder string) bool
	// Waiting is told who holds the Lease that is waited for, once for each
	// holder. It may be nil.
	Waiting func(holder string)
	// Failing is told why the Lease could be neither taken nor renewed, now and then
	// while that lasts. It may be nil.
	Failing func(err error)
	// Release gives the Lease back at the end, so that the next one need not
	// wait for it to expire.
	Release bool
}

// Elector holds a Lease (coordination.k8s.io/v1) so that one process acts at a
// time. It trusts no clock but its own: a Lease counts as expired once its
// record has not changed for its duration, as seen from here.
type Elector struct {
	client  rest.Interface
	options LeaseOptions
	clock   clock.Clock

	seen   lease     // the record as last read
	seenAt time.Time // when it last changed, by our clock
	told   string    // the holder that Waiting was told
	failed time.Time // when Failing was told; zero if all is well
}

// tellEvery is how often a failure is told that lasts. Its text may be another one each
// time, as that of a certificate which is not valid yet.
const tellEvery = time.Minute

type lease struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              leaseSpec `json:"spec"`
}

type leaseSpec struct {
	HolderIdentity       string           `json:"holderIdentity"`
	LeaseDurationSeconds int              `json:"leaseDurationSeconds"`
	AcquireTime          metav1.MicroTime `json:"acquireTime"`
	RenewTime            metav1.MicroTime `json:"renewTime"`
	LeaseTransitions     int              `json:"leaseTransitions"`
}

// ErrLeaseLost is why the context of a leader ended if it was not asked to end
// (see [context.Cause]): somebody else may act already, so that it must not.
var ErrLeaseLost = errors.New("lost the lease")

// NewElector returns an elector that has not asked for anything yet.
func NewElector(c *Clients, o LeaseOptions, clk clock.Clock) (*Elector, error) {
	client, err := c.rest(schema.GroupVersion{Group: "coordination.k8s.io", Version: "v1"})
	if err != nil {
		return nil, err
	}
	return &Elector{client: client, options: o, clock: clk}, nil
}

// Lead waits for the Lease, calls lead with a context that ends when the Lease
// is lost, and returns when lead has returned, what that returned. The Lease is
// renewed until then, also while lead winds up because ctx ended. If it was lost,
// the error is an [ErrLeaseLost], and so is the cause of the context's end.
func (e *Elector) Lead(ctx context.Context, lead func(context.Context) error) error {
	for !e.try(ctx) {
		if !e.sleep(ctx, e.options.Retry) {
			return nil
		}
	}
	leading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = lead(leading)
	}()
	if !e.hold(context.WithoutCancel(ctx), done) {
		lost := fmt.Errorf("%w %s/%s", ErrLeaseLost, e.options.Namespace, e.options.Name)
		stop(lost)
		<-done
		return lost
	}
	if e.options.Release {
		e.release()
	}
	return err
}

// hold renews until done is closed and says whether the Lease is still ours. What
// counts is when a renewal was sent: others count from when it arrived.
func (e *Elector) hold(ctx context.Context, done <-chan struct{}) bool {
	renewed := e.clock.Now()
	pause := e.every()
	for {
		select {
		case <-done:
			return true
		case <-e.clock.After(pause):
		}
		pause = e.options.Retry
		now := e.clock.Now()
		left := e.options.Renew - now.Sub(renewed)
		if left <= 0 {
			return false
		}
		if e.tryFor(ctx, left) {
			renewed, pause = now, e.every()
		} else if e.clock.Since(renewed) >= e.options.Renew {
			return false
		}
	}
}

func (e *Elector) every() time.Duration {
	if e.options.Every > 0 {
		return e.options.Every
	}
	return e.options.Retry
}

func (e *Elector) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-e.clock.After(d):
		return true
	}
}

// try takes or renews the Lease and says whether it is ours.
func (e *Elector) try(ctx context.Context) bool { return e.tryFor(ctx, e.options.Renew) }

func (e *Elector) tryFor(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	current, err := e.read(ctx)
	if apierrors.IsNotFound(err) {
		return e.done(e.create(ctx))
	}
	if err != nil {
		return e.done(err)
	}
	now := e.clock.Now()
	if current.ResourceVersion != e.seen.ResourceVersion {
		e.seen, e.seenAt = current, now
	}
	holder := current.Spec.HolderIdentity
	if e.mustWait(current.Spec, now) {
		e.failed = time.Time{}
		e.tell(holder)
		return false
	}
	next := current
	if holder != e.options.Identity {
		next.Spec.LeaseTransitions++
		next.Spec.AcquireTime = metav1.NewMicroTime(now)
	}
	next.Spec.HolderIdentity = e.options.Identity
	next.Spec.LeaseDurationSeconds = int(e.options.Duration.Seconds())
	next.Spec.RenewTime = metav1.NewMicroTime(now)
	return e.done(e.write(ctx, next))
}

// done says whether a write or a read went well, and tells if not. That somebody else was
// faster is no failure.
func (e *Elector) done(err error) bool {
	now := e.clock.Now()
	switch {
	case err == nil:
		e.failed = time.Time{}
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), e.options.Failing == nil:
	case e.failed.IsZero(), now.Sub(e.failed) >= tellEvery:
		e.failed = now
		e.options.Failing(err)
	}
	return err == nil
}

// mustWait says whether somebody else holds the Lease and may be alive.
func (e *Elector) mustWait(l leaseSpec, now time.Time) bool {
	if l.HolderIdentity == "" || l.HolderIdentity == e.options.Identity {
		return false
	}
	if e.options.Predecessor != nil && e.options.Predecessor(l.HolderIdentity) {
		return false
	}
	return now.Sub(e.seenAt) < time.Duration(l.LeaseDurationSeconds)*time.Second
}

func (e *Elector) tell(holder string) {
	if e.options.Waiting != nil && holder != e.told {
		e.told = holder
		e.options.Waiting(holder)
	}
}

func (e *Elector) read(ctx context.Context) (lease, error) {
	var l lease
	body, err := e.client.Get().Namespace(e.options.Namespace).Resource("leases").Name(e.options.Name).Do(ctx).Raw()
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal(body, &l)
}

func (e *Elector) create(ctx context.Context) error {
	now := metav1.NewMicroTime(e.clock.Now())
	l := lease{
		TypeMeta:   metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
		ObjectMeta: metav1.ObjectMeta{Namespace: e.options.Namespace, Name: e.options.Name},
		Spec: leaseSpec{
			HolderIdentity:       e.options.Identity,
			LeaseDurationSeconds: int(e.options.Duration.Seconds()),
			AcquireTime:          now,
			RenewTime:            now,
		},
	}
	body, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return e.client.Post().Namespace(l.Namespace).Resource("leases").Body(body).Do(ctx).Error()
}

// write replaces the Lease; the resourceVersion in it makes the server refuse
// if somebody else was faster.
func (e *Elector) write(ctx context.Context, l lease) error {
	body, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return e.client.Put().Namespace(l.Namespace).Resource("leases").Name(l.Name).Body(body).Do(ctx).Error()
}

// release gives the Lease back if it is still ours.
func (e *Elector) release() {
	ctx, cancel := context.WithTimeout(context.Background(), e.options.Retry)
	defer cancel()
	current, err := e.read(ctx)
	if err != nil || current.Spec.HolderIdentity != e.options.Identity {
		return
	}
	current.Spec.HolderIdentity = ""
	current.Spec.LeaseDurationSeconds = 1
	current.Spec.RenewTime = metav1.NewMicroTime(e.clock.Now())
	_ = e.write(ctx, current) // else it runs out
}
