package release

import (
	"cmp"
	"context"
	"fmt"
	"time"

	helm "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/pkg/apply"
)

// clear deletes what the last run of a hook left, and waits until it is gone, or notes
// which that is if it is to stay. Then the hook is about to run.
func (a *act) clear(ctx context.Context, h *hook) error {
	if h.deletes(helm.HookBeforeHookCreation) {
		if gone, err := a.deleted(ctx, h, "", &h.run.Started); err != nil || !gone {
			return err
		}
	} else if len(h.entries) == 1 {
		live, err := a.t.Applier.Live(ctx, h.entries[0])
		if err != nil {
			return a.patient(fmt.Errorf("look for the hook %s: %w", h, err), a.m.Began)
		}
		if live != nil {
			h.run.Was = live.GetUID()
		}
	}
	h.run.Phase, h.run.Started = hookRunning, a.now()
	a.logf("run the hook %s", h)
	return a.note(ctx)
}

// deleted deletes the objects of a hook and says whether they are gone. If they are
// not, the call is to wait; when that began is kept in since. With an id, only the
// object that has it counts.
func (a *act) deleted(ctx context.Context, h *hook, id types.UID, since *time.Time) (bool, error) {
	left, err := a.delete(ctx, h, id)
	if err != nil {
		return false, a.patient(fmt.Errorf("delete the hook %s: %w", h, err), cmp.Or(*since, a.m.Began))
	}
	if len(left) == 0 {
		return true, nil
	}
	if since.IsZero() {
		*since = a.now()
		if h.run.Phase == "" {
			h.run.Phase = hookClearing
		}
		if err := a.note(ctx); err != nil {
			return false, err
		}
	}
	if a.late(*since) {
		return false, fail(fmt.Errorf("timed out while the hook %s was being deleted", h))
	}
	a.wait("the hook "+h.String()+" to be gone", left, *since, recheckGone)
	return false, nil
}

// recheckGone is after how long to look whether something is gone, although that wakes
// whoever waits for it where it can be watched.
const recheckGone = 5 * time.Second

// delete deletes the objects of a hook and returns those that still exist.
func (a *act) delete(ctx context.Context, h *hook, id types.UID) (apply.Inventory, error) {
	var left apply.Inventory
	for _, e := range h.entries {
		live, err := a.t.Applier.Live(ctx, e)
		if err != nil {
			return nil, err
		}
		if live == nil || id != "" && live.GetUID() != id {
			continue
		}
		if live.GetDeletionTimestamp() != nil {
			left = append(left, e)
			continue
		}
		spare := func(again *unstructured.Unstructured) bool { return again.GetUID() != live.GetUID() }
		if _, _, err := a.t.Applier.Remove(ctx, a.t.Owner, apply.Inventory{e}, apply.Removal{Spare: spare}); err != nil {
			return nil, err
		}
		if live, err = a.t.Applier.Live(ctx, e); err != nil {
			return nil, err
		}
		if live != nil {
			left = append(left, e)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	return a.t.Applier.Remaining(ctx, a.t.Owner, left) // has the owner woken
}

// start creates a hook that is about to run. If it exists already, and is not what the
// last run left, it was created by a call that did not live to say so.
func (a *act) start(ctx context.Context, h *hook) error {
	for i, obj := range h.objects {
		live, err := a.t.Applier.Live(ctx, h.entries[i])
		if live != nil && live.GetUID() == h.run.Was {
			live = nil
		}
		if err == nil && live == nil {
			live, err = a.t.Applier.Make(ctx, obj, a.making())
		}
		if transient(err) && !a.late(h.run.Started) {
			return err
		}
		if err != nil {
			return a.broke(ctx, h, fmt.Sprintf("Hook %s %s failed: %s", a.event(), h.Path, err))
		}
		if len(h.objects) == 1 {
			h.run.UID = live.GetUID()
		}
	}
	h.run.Phase = hookStarted
	return a.note(ctx)
}

// making is how hooks are created: those of an uninstall always on the server side.
func (a *act) making() apply.Making {
	return either(a.rev.method == ServerSide || a.m.Action == ActionUninstall, apply.Unforced, apply.Fresh)
}

// judge finds out whether a hook is done.
func (a *act) judge(ctx context.Context, h *hook) error {
	report, err := a.t.Applier.Judge(ctx, a.t.Owner, h.entries, a.t.Health.hooks())
	if err != nil {
		return a.patient(err, h.run.Started)
	}
	var open apply.Report
	for _, f := range report.Findings {
		if a.t.Health.awaits(f.Entry) && !vanished(f, h.objects) {
			open.Findings = append(open.Findings, f)
		}
	}
	failed := open.Failed()
	switch {
	case open.Healthy():
		h.run.Phase, h.run.Completed = hookSucceeded, a.now()
		a.logf("the hook %s has succeeded", h)
		return a.note(ctx)
	case len(failed) > 0:
		return a.broke(ctx, h, fmt.Sprintf("the hook %s has failed: %s", h, failed[0].Message))
	case a.late(h.run.Started):
		return a.broke(ctx, h, "timeout waiting for: ["+findings(open.Findings)+"]")
	}
	a.wait("the hook "+h.String(), h.entries, h.run.Started, report.Recheck)
	return nil
}

// broke notes that a hook has failed, and why.
func (a *act) broke(ctx context.Context, h *hook, why string) error {
	h.run.Phase, h.run.Completed, h.run.Why = hookFailed, a.now(), why
	a.logf("%s", why)
	return a.note(ctx)
}
