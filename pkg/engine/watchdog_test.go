package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// The watchdog revives what nothing would wake, and counts that and nothing else:
// every other test here fails if it finds anything.
func TestWatchdog(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		w.sources.do = func(_ context.Context, o *sourcev1.GitRepository) (reconcilers.Result, error) {
			switch o.Name {
			case "stalled":
				return reconcilers.Result{}, fault.Stalled("Failed", errors.New("an edit is needed"))
			case "waiting":
				return reconcilers.Result{}, fault.Waiting("Failed", errors.New("somebody has to move"), 0)
			case "running":
				<-release
			}
			return reconcilers.Result{Reason: "Succeeded"}, nil
		}
		w.start()
		for _, name := range []string{"lost", "stalled", "waiting", "scheduled"} {
			w.create(repository(name))
		}
		once := repository("once")
		once.Spec.Interval.Duration = 0
		w.create(once)
		asleep := repository("suspended")
		asleep.Spec.Suspend = true
		w.create(asleep)
		w.wait(settled)
		w.create(repository("running"))
		w.wait(settled)

		w.engine.schedule.drop(named("lost"))
		w.wait(3 * patrol)
		if w.lost[named("lost")] != 1 || len(w.lost) != 1 {
			t.Errorf("the watchdog found %v, want the lost one", w.lost)
		}
		w.wantRuns(map[string]int{"lost": 2, "stalled": 1, "waiting": 1, "scheduled": 1, "once": 1, "running": 1})
		clear(w.lost)
		close(release)
		w.wait(time.Hour)
	})
}
