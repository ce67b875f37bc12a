package release

import (
	"context"
	"fmt"
	"slices"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/apply"
)

// write creates and changes the objects of the revision, and deletes those that the
// one before had and it has not.
func (a *act) write(ctx context.Context) error {
	rev, err := a.content(ctx)
	if err != nil {
		return err
	}
	objects, err := a.t.objects(rev.manifest, rev.namespace)
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	before, err := a.before(ctx)
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	if err := a.foresee(ctx, objects); err != nil {
		return err
	}
	a.t.own(objects)
	plan, err := a.t.Applier.Plan(ctx, a.request(rev, objects, before))
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	a.memo.keepInventory(a.t, a.head, plan.Inventory)
	outcome, err := a.t.Applier.Apply(ctx, plan)
	a.step.Warnings = append(a.step.Warnings, outcome.Warnings...)
	for _, c := range outcome.Changes {
		if c.Action == apply.Created || c.Action == apply.Configured {
			a.logf("%s", c)
		}
	}
	if err != nil {
		a.m.Wrote = true
		return a.patient(err, a.m.Since)
	}
	if len(outcome.Waiting) > 0 {
		return a.awaitStage(ctx, outcome)
	}
	return a.drop(ctx, plan.Stale)
}

// request is what is planned for the objects of a revision.
func (a *act) request(rev *revision, objects, before []*unstructured.Unstructured) apply.Request {
	r := apply.Request{
		Owner: a.t.Owner, Objects: objects, Inventory: entries(before),
		Rules: a.t.Health.objects(a.m.Terms.Wait, a.m.Terms.Jobs),
	}
	if rev.method != ServerSide {
		a.t.own(before)
		r.Client = &apply.ClientSide{
			Previous: before, Replace: a.m.Terms.Force, Adopt: a.m.Action == ActionInstall && a.m.Terms.TakeOwnership,
		}
	}
	return r
}

// before returns the objects of the revision that the action goes from.
func (a *act) before(ctx context.Context) ([]*unstructured.Unstructured, error) {
	if a.m.From == 0 || a.m.Action == ActionInstall {
		return nil, nil
	}
	from, err := a.t.read(ctx, a.m.From)
	if err != nil || from == nil {
		return nil, err
	}
	return a.t.objects(from.manifest, from.namespace)
}

// foresee writes down which objects the action is about to create, if they are to go
// when it fails.
func (a *act) foresee(ctx context.Context, objects []*unstructured.Unstructured) error {
	if !a.m.Terms.Cleanup || a.m.Wrote {
		return nil
	}
	var created apply.Inventory
	for _, obj := range objects {
		live, err := a.t.Applier.Live(ctx, apply.EntryOf(obj))
		if err != nil {
			return a.patient(err, a.m.Since)
		}
		if live == nil {
			created = append(created, apply.EntryOf(obj))
		}
	}
	a.m.Wrote, a.m.Created = true, created.Refs()
	return a.note(ctx)
}

// awaitStage waits until the objects of a stage are healthy without which the API
// server would refuse the next, such as a definition.
func (a *act) awaitStage(ctx context.Context, o apply.Outcome) error {
	if a.late(a.m.Since) {
		report, err := a.t.Applier.Health(ctx, a.t.Owner, o.Waiting)
		if err != nil {
			return a.patient(err, a.m.Since)
		}
		return fail(fmt.Errorf("timeout waiting for: [%s]", findings(report.Findings)))
	}
	a.wait("objects that others need", o.Waiting, a.m.Since, o.Recheck)
	return nil
}

// drop deletes objects that the revision has no more.
func (a *act) drop(ctx context.Context, stale apply.Inventory) error {
	if len(stale) == 0 {
		return nil
	}
	spare := func(live *unstructured.Unstructured) bool { return kept(live) || a.t.spares(live) }
	changes, _, err := a.t.Applier.Remove(ctx, a.t.Owner, stale, apply.Removal{Spare: spare})
	for _, c := range changes {
		a.logf("%s", c)
	}
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	return nil
}

// inventory are the objects of the revision. They are read once per process.
func (a *act) inventory(ctx context.Context) (apply.Inventory, error) {
	if inv, ok := a.memo.inventory(a.t, a.head); ok {
		return inv, nil
	}
	rev, err := a.content(ctx)
	if err != nil {
		return nil, err
	}
	objects, err := a.t.objects(rev.manifest, rev.namespace)
	if err != nil {
		return nil, err
	}
	inv := entries(objects)
	a.memo.keepInventory(a.t, a.head, inv)
	return inv, nil
}

// awaitHealth waits until the objects of the revision are healthy.
func (a *act) awaitHealth(ctx context.Context, cancel error) error {
	if a.m.Terms.Wait == WaitHooks {
		return nil
	}
	inv, err := a.inventory(ctx)
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	legacy := a.m.Terms.Wait == WaitLegacy
	set := inv
	if legacy {
		set = nil
		for _, e := range inv {
			if legacyAwaits(e) {
				set = append(set, e)
			}
		}
	}
	a.t.Applier.Expect(a.t.Owner, inv, a.t.Health.objects(a.m.Terms.Wait, a.m.Terms.Jobs))
	report, err := a.t.Applier.Health(ctx, a.t.Owner, set)
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	if err := a.forgive(ctx, &report); err != nil {
		return err
	}
	switch {
	case report.Healthy():
		return nil
	case cancel != nil && !legacy:
		return fail(cancel)
	case len(report.Failed()) > 0 && !legacy:
		return fail(fmt.Errorf("failed early due to stalled resources: [%s]", findings(report.Findings)))
	case a.late(a.m.Since):
		return fail(fmt.Errorf("timeout waiting for: [%s]", findings(report.Findings)))
	}
	a.waitFor(report)
	return nil
}

// forgive takes out of a report the Jobs that were done and have deleted themselves.
func (a *act) forgive(ctx context.Context, report *apply.Report) error {
	missing := func(f apply.Finding) bool {
		return f.Status == status.NotFoundStatus && f.GroupKind() == kindJob
	}
	if !slices.ContainsFunc(report.Findings, missing) {
		return nil
	}
	rev, err := a.content(ctx)
	if err != nil {
		return err
	}
	objects, err := a.t.objects(rev.manifest, rev.namespace)
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	report.Findings = slices.DeleteFunc(report.Findings, func(f apply.Finding) bool { return vanished(f, objects) })
	return nil
}

// waitFor has the call wait for the objects that are not ready.
func (a *act) waitFor(report apply.Report) {
	var open apply.Inventory
	for _, f := range report.Findings {
		open = append(open, f.Entry)
	}
	a.wait(findings(report.Findings), open, a.m.Since, report.Recheck)
}
