package kube

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
)

const leasePath = "/apis/coordination.k8s.io/v1/namespaces/flux-system/leases/fluxd"

func newTestElector(t *testing.T, s *server, who string) *Elector {
	t.Helper()
	e, err := NewElector(s.clients(t), LeaseOptions{
		Namespace: "flux-system", Name: "fluxd", Identity: who,
		Duration: 35 * time.Second, Renew: 30 * time.Second, Retry: 5 * time.Second, Release: true,
	}, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (s *server) lease(t *testing.T) leaseSpec {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	data, _ := json.Marshal(s.objects[leasePath])
	var l lease
	if err := json.Unmarshal(data, &l); err != nil {
		t.Fatal(err)
	}
	return l.Spec
}

func (s *server) refuseAll(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = nil
	if on {
		s.answer = func(w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
			return true
		}
	}
}

// pass lets time pass; it is that of the bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// One leads at a time: the second takes over at once when the first gives the
// Lease back, and only then.
func TestElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		var log []string
		start := func(who string) (context.CancelFunc, chan error) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- newTestElector(t, s, who).Lead(ctx, func(ctx context.Context) error {
					log = append(log, who+" leads")
					<-ctx.Done()
					pause := time.NewTimer(60 * time.Second) // to wind up, longer than the Lease lasts
					<-pause.C
					log = append(log, who+" is done")
					return nil
				})
			}()
			return cancel, done
		}
		stopA, doneA := start("a")
		pass(time.Second)
		stopB, doneB := start("b")
		pass(10 * time.Minute)
		if spec := s.lease(t); spec.HolderIdentity != "a" || spec.LeaseDurationSeconds != 35 {
			t.Fatalf("the Lease is %+v", spec)
		}
		stopA()
		pass(59 * time.Second)
		if spec := s.lease(t); spec.HolderIdentity != "a" {
			t.Errorf("%q holds the Lease while the first winds up", spec.HolderIdentity)
		}
		pass(10 * time.Second)
		if spec := s.lease(t); spec.HolderIdentity != "b" || spec.LeaseTransitions != 1 {
			t.Errorf("the Lease is %+v", spec)
		}
		stopB()
		pass(2 * time.Minute)
		for _, done := range []chan error{doneA, doneB} {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if spec := s.lease(t); spec.HolderIdentity != "" {
			t.Errorf("%q holds the Lease in the end", spec.HolderIdentity)
		}
		want := []string{"a leads", "a is done", "b leads", "b is done"}
		if len(log) != 4 || log[0] != want[0] || log[1] != want[1] || log[2] != want[2] || log[3] != want[3] {
			t.Errorf("%v, want %v", log, want)
		}
	})
}

// A leader that cannot renew stops before others may take over, and is told why.
func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		done := make(chan error, 1)
		var ended time.Time
		var cause error
		go func() {
			done <- newTestElector(t, s, "a").Lead(t.Context(), func(ctx context.Context) error {
				<-ctx.Done()
				ended, cause = time.Now(), context.Cause(ctx)
				return nil
			})
		}()
		pass(time.Minute + time.Second)
		renewed := s.lease(t).RenewTime.Time
		s.refuseAll(true)
		if err := <-done; !errors.Is(err, ErrLeaseLost) || !errors.Is(cause, ErrLeaseLost) {
			t.Errorf("ended with %v because of %v", err, cause)
		}
		if took := ended.Sub(renewed); took < 25*time.Second || took >= 35*time.Second {
			t.Errorf("led for %s after the last renewal, want about 30s and less than the 35s that others wait", took)
		}
	})
}

// An outage that is shorter than that is lived through.
func TestShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- newTestElector(t, s, "a").Lead(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
		}()
		pass(time.Minute)
		s.refuseAll(true)
		pass(20 * time.Second)
		s.refuseAll(false)
		pass(time.Minute)
		select {
		case err := <-done:
			t.Errorf("ended with %v", err)
		default:
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A Lease whose holder has gone silent is taken over once it has not changed for
// its duration, by the clock of the one who takes it.
func TestSilentHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.put(leasePath, `{"metadata":{"name":"fluxd","namespace":"flux-system"},
			"spec":{"holderIdentity":"gone","leaseDurationSeconds":35,"renewTime":"2100-01-01T00:00:00.000000Z"}}`)
		began := time.Now()
		var led time.Duration
		err := newTestElector(t, s, "a").Lead(t.Context(), func(context.Context) error {
			led = time.Since(began)
			return errors.New("over")
		})
		if err == nil || err.Error() != "over" {
			t.Errorf("ended with %v, want what the leader returned", err)
		}
		if led < 35*time.Second || led > 40*time.Second {
			t.Errorf("took over after %s, want 35s to 40s", led)
		}
	})
}

// A Lease that lasts long is renewed seldom, and often once a renewal has failed;
// one that a predecessor left is taken at once, and one that is held is waited for.
func TestLongLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		hold := func(holder string) {
			s.put(leasePath, `{"metadata":{"name":"fluxd","namespace":"flux-system"},
				"spec":{"holderIdentity":"`+holder+`","leaseDurationSeconds":300}}`)
		}
		var waited []string
		start := func() (context.CancelFunc, chan error) {
			e := newTestElector(t, s, "fluxd_b")
			e.options.Duration, e.options.Renew, e.options.Every = 5*time.Minute, 4*time.Minute, 100*time.Second
			e.options.Predecessor = func(holder string) bool { return holder == "fluxd_a" }
			e.options.Waiting = func(holder string) { waited = append(waited, holder) }
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- e.Lead(ctx, func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
			}()
			return cancel, done
		}

		hold("other")
		cancel, done := start()
		pass(time.Minute)
		hold("fluxd_a")
		pass(6 * time.Second)
		taken := s.lease(t)
		if taken.HolderIdentity != "fluxd_b" || len(waited) != 1 || waited[0] != "other" {
			t.Fatalf("%q holds the Lease after waiting for %v", taken.HolderIdentity, waited)
		}
		pass(90 * time.Second)
		if now := s.lease(t); !now.RenewTime.Equal(&taken.RenewTime) {
			t.Error("renewed within 100s")
		}
		s.refuseAll(true)
		pass(20 * time.Second)
		s.refuseAll(false)
		pass(6 * time.Second)
		if now := s.lease(t); now.RenewTime.Equal(&taken.RenewTime) {
			t.Error("not renewed soon after a renewal that failed")
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

// While the Lease cannot be had, why is told now and then, and not at every try.
func TestFailingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.refuseAll(true)
		e := newTestElector(t, s, "a")
		var told []error
		e.options.Failing = func(err error) { told = append(told, err) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		leads := false
		go func() {
			done <- e.Lead(ctx, func(ctx context.Context) error { leads = true; <-ctx.Done(); return nil })
		}()
		pass(3*time.Minute - time.Second)
		if len(told) != 3 || !apierrors.IsServiceUnavailable(told[0]) {
			t.Errorf("told in three minutes: %v", told)
		}
		s.refuseAll(false)
		pass(time.Minute)
		if !leads || len(told) != 3 {
			t.Errorf("leads: %t, told of %d failures", leads, len(told))
		}
		s.refuseAll(true)
		pass(6 * time.Second)
		if len(told) != 4 {
			t.Errorf("a renewal that fails was told %d times", len(told)-3)
		}
		s.refuseAll(false)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
