package release

import (
	"context"
	"errors"
	"fmt"

	helm "helm.sh/helm/v3/pkg/release"

	"github.com/fluxd/fluxd/pkg/apply"
)

// end makes the revision the one that counts.
func (a *act) end(ctx context.Context) error {
	if a.m.Action == ActionUninstall {
		return a.endUninstall(ctx)
	}
	if _, err := a.content(ctx); err != nil {
		return err
	}
	if err := a.supersede(ctx); err != nil {
		return err
	}
	info := &a.rev.info
	switch a.m.Action {
	case ActionInstall:
		info.Status, info.Description = statusDeployed, "Install complete"
	case ActionUpgrade:
		info.Status, info.Description = statusDeployed, "Upgrade complete"
	case ActionRollback:
		info.Status = statusDeployed
	}
	return a.close(ctx)
}

// close stores the revision as the last thing that the action does.
func (a *act) close(ctx context.Context) error {
	a.fold()
	a.m.Step, a.m.Ended = placeEnded, a.now()
	inv, err := a.inventoryOf()
	if err != nil {
		return err
	}
	a.m.Hooks, a.m.Created = nil, nil
	a.step.Inventory = inv
	return a.store(ctx)
}

// inventoryOf is the inventory of the revision, with what the crds folders add.
func (a *act) inventoryOf() (apply.Inventory, error) {
	crds, err := apply.ReadInventory(a.m.CRDs)
	if err != nil {
		return nil, err
	}
	objects, err := a.t.objects(a.rev.manifest, a.rev.namespace)
	if err != nil {
		if transient(err) {
			return nil, err
		}
		return crds, nil // what cannot be built has failed for that
	}
	return entries(objects).Union(crds), nil
}

// fold writes the runs of hooks into the revision.
func (a *act) fold() {
	for _, run := range a.m.Hooks {
		if run.Index >= len(a.rev.hooks) || run.Started.IsZero() || run.Phase == "" || run.Phase == hookClearing {
			continue
		}
		h := a.rev.hooks[run.Index]
		h.Run = HookRun{Started: run.Started, Completed: run.Completed, Phase: helm.HookPhaseUnknown}
		switch run.Phase {
		case hookSucceeded:
			h.Run.Phase = helm.HookPhaseSucceeded
		case hookFailed:
			h.Run.Phase = helm.HookPhaseFailed
		}
		if len(h.DeletePolicies) == 0 {
			h.DeletePolicies = []helm.HookDeletePolicy{helm.HookBeforeHookCreation}
		}
	}
}

// supersede marks the revisions that this one takes the place of.
func (a *act) supersede(ctx context.Context) error {
	switch a.m.Action {
	case ActionInstall, ActionUpgrade:
		if a.m.From == 0 {
			return nil
		}
		description := ""
		if a.m.Action == ActionInstall {
			description = "superseded by new release"
		}
		return a.outdate(ctx, a.m.From, description)
	case ActionRollback:
		return a.outdateOthers(ctx)
	}
	return nil
}

// outdateOthers marks all other revisions that are deployed as superseded.
func (a *act) outdateOthers(ctx context.Context) error {
	heads, err := a.t.heads(ctx)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if h.status() != statusDeployed || h.number == a.head.number {
			continue
		}
		if err := a.outdate(ctx, h.number, ""); err != nil {
			return err
		}
	}
	return nil
}

// outdate marks one revision as superseded, if there is one that is not yet. An
// install leaves one that has failed as it is.
func (a *act) outdate(ctx context.Context, version int, description string) error {
	rev, err := a.t.read(ctx, version)
	if errors.Is(err, ErrCorrupt) {
		a.logf("%s", err)
		return nil
	}
	if err != nil || rev == nil || rev.info.Status == statusSuperseded {
		return err
	}
	if a.m.Action == ActionInstall && rev.info.Status == statusFailed {
		return nil
	}
	rev.info.Status = statusSuperseded
	if description != "" {
		rev.info.Description = description
	}
	if err := a.t.update(ctx, rev, a.now()); err != nil {
		return err
	}
	return a.observed(rev, a.t.Tags[version])
}

// fail cleans up what the action leaves behind, and says that it has failed.
func (a *act) fail(ctx context.Context) error {
	if _, err := a.content(ctx); err != nil {
		return err
	}
	if err := a.cleanup(ctx); err != nil {
		return err
	}
	info := &a.rev.info
	switch a.m.Action {
	case ActionUninstall, ActionTest: // the status stays
	case ActionInstall:
		info.Status, info.Description = statusFailed, fmt.Sprintf("Release %q failed: %s", a.t.Name, a.m.Failure)
	case ActionUpgrade:
		info.Status, info.Description = statusFailed, fmt.Sprintf("Upgrade %q failed: %s", a.t.Name, a.m.Failure)
	case ActionRollback:
		if a.m.Failed != placeWrite {
			info.Status, info.Description = statusFailed, fmt.Sprintf("Release %q failed: %s", a.t.Name, a.m.Failure)
			break
		}
		info.Status, info.Description = statusFailed, fmt.Sprintf("Rollback %q failed: %s", a.t.Name, a.m.Failure)
		if err := a.outdate(ctx, a.m.From, ""); err != nil {
			return err
		}
	}
	return a.close(ctx)
}

// cleanup deletes what a failed action has created, if that was asked for.
func (a *act) cleanup(ctx context.Context) error {
	created, err := apply.ReadInventory(a.m.Created)
	if err != nil || len(created) == 0 {
		return err
	}
	changes, _, err := a.t.Applier.Remove(ctx, a.t.Owner, created, apply.Removal{Spare: a.t.spares})
	for _, c := range changes {
		a.logf("%s", c)
	}
	if err == nil || transient(err) && !a.late(a.m.Began) {
		return err
	}
	a.m.Failure = fmt.Sprintf("an error occurred while cleaning up resources. original %s error: %s: unable to cleanup resources: %s",
		a.m.Action, a.m.Failure, err)
	a.m.Created = nil
	return nil
}
