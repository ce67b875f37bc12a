package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/fault"
)

var errCause = errors.New("the cause")

// Every class carries a reason and its cause, however often it is wrapped.
func TestFaults(t *testing.T) {
	tests := map[string]struct {
		err error
		is  func(error) bool
	}{
		"stalled": {fault.Stalled("R", errCause), func(err error) bool {
			_, ok := errors.AsType[*fault.StalledError](err)
			return ok
		}},
		"waiting": {fault.Waiting("R", errCause, time.Minute), func(err error) bool {
			e, ok := errors.AsType[*fault.WaitingError](err)
			return ok && e.After == time.Minute && !e.KeepReady && !e.Quiet
		}},
		"cold": {fault.Cold("R", errCause, time.Minute), func(err error) bool {
			e, ok := errors.AsType[*fault.WaitingError](err)
			return ok && e.After == time.Minute && e.KeepReady && e.Quiet
		}},
		"failed": {fault.Failed("R", errCause), func(err error) bool {
			e, ok := errors.AsType[*fault.FailedError](err)
			return ok && !e.Backoff
		}},
		"backoff": {fault.Backoff("R", errCause), func(err error) bool {
			e, ok := errors.AsType[*fault.FailedError](err)
			return ok && e.Backoff
		}},
		"to be tried again later": {fault.Retry("R", errCause, time.Minute), func(err error) bool {
			e, ok := errors.AsType[*fault.FailedError](err)
			return ok && e.After == time.Minute && !e.Backoff
		}},
		"summed up": {fault.Summarised(fault.Stalled("R", errCause), fault.Summary{Reason: "S"}), func(err error) bool {
			s, ok := errors.AsType[*fault.SummarisedError](err)
			_, stalled := errors.AsType[*fault.StalledError](err)
			return ok && stalled && s.Reason == "S"
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{test.err, fmt.Errorf("on the way: %w", test.err), errors.Join(errors.New("x"), test.err)} {
				if !test.is(err) {
					t.Errorf("%#v is not recognised", err)
				}
				if !errors.Is(err, errCause) {
					t.Errorf("%#v has lost its cause", err)
				}
				if got := fault.Reason(err, "Fallback"); got != "R" {
					t.Errorf("reason %s", got)
				}
			}
			if test.err.Error() != errCause.Error() {
				t.Errorf("it says %q: conditions would repeat the class", test.err)
			}
		})
	}
	if got := fault.Reason(errCause, "Fallback"); got != "Fallback" {
		t.Errorf("an error that was not classified has the reason %s", got)
	}
}
