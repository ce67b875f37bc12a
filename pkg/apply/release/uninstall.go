package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	helm "helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/apply"
)

// Uninstall deletes the objects of a release, whatever its last revision is, and its
// revisions unless they are to be kept. If it is under way already, it goes on.
func (r *Releaser) Uninstall(ctx context.Context, t Target, un Uninstall) (Step, error) {
	_, last, err := t.present(ctx, fmt.Errorf("uninstall: Release not loaded: %s: %w", t.Name, ErrNoRelease))
	if err != nil {
		return Step{}, err
	}
	if step, on, err := r.goOn(ctx, t, last, ActionUninstall, nil); on || err != nil {
		return step, err
	}
	rev, err := t.read(ctx, last.number)
	if err != nil {
		return Step{}, err
	}
	if rev == nil {
		return Step{}, fmt.Errorf("uninstall: Release not loaded: %s: %w", t.Name, ErrNoRelease)
	}
	t.Namespace = rev.namespace
	m := r.fresh(t, ActionUninstall, un.Options)
	m.Terms.Keep, m.Terms.Propagation = un.KeepHistory, un.Propagation
	a := &act{Releaser: r, t: t, head: rev.head, m: m, rev: rev}
	if err := a.distrust(ctx); err != nil {
		return Step{}, err
	}
	if rev.info.Status == statusUninstalled {
		return a.forget(ctx)
	}
	rev.info.Status, rev.info.Deleted = statusUninstalling, a.now()
	rev.info.Description = "Deletion in progress (or silently failed)"
	if err := a.store(ctx); err != nil {
		return Step{}, err
	}
	return a.run(ctx, nil)
}

// distrust leaves out the hooks of a revision that nobody vouches for: whoever has
// written it would have them created with the rights of the owner.
func (a *act) distrust(ctx context.Context) error {
	if a.m.Terms.NoHooks {
		return nil
	}
	if ok, err := a.vouched(ctx, a.t, a.head); ok || err != nil {
		return err
	}
	a.m.Terms.NoHooks = true
	if slices.ContainsFunc(a.rev.hooks, func(h *storedHook) bool { return h.is(helm.HookPreDelete) || h.is(helm.HookPostDelete) }) {
		a.step.Warnings = append(a.step.Warnings, fmt.Sprintf("the record secret/%s/%s is not as it was left, so that its hooks are not run", a.t.Storage, a.head.meta.Name))
	}
	return nil
}

// forget deletes the revisions of a release that was uninstalled before.
func (a *act) forget(ctx context.Context) (Step, error) {
	if a.m.Terms.Keep {
		return Step{}, fmt.Errorf("the release named %q %w", a.t.Name, ErrAlreadyUninstalled)
	}
	a.step.Action, a.step.Attempt, a.step.Began = a.m.Action, a.m.Attempt, a.m.Began
	if err := a.purge(ctx); err != nil {
		return Step{}, fmt.Errorf("uninstall: Failed to purge the release: %w", err)
	}
	return a.ended(), nil
}

// doomed are the objects of the revision that are to be deleted, in that order.
func (a *act) doomed(ctx context.Context) (apply.Inventory, error) {
	rev, err := a.content(ctx)
	if err != nil {
		return nil, err
	}
	objects, err := a.t.objects(rev.manifest, rev.namespace)
	if err != nil {
		return nil, err
	}
	others, err := a.deployed(ctx)
	if err != nil {
		return nil, err
	}
	var doomed []*unstructured.Unstructured
	known := map[apply.Entry]bool{}
	for _, obj := range append(objects, others...) {
		e := apply.EntryOf(obj)
		e.Version = "" // another version is the same object
		if known[e] {
			continue
		}
		known[e] = true
		if kept(obj) {
			a.logf("%s is kept by its resource policy", apply.EntryOf(obj))
			continue
		}
		doomed = append(doomed, obj)
	}
	forUninstall(doomed)
	return entries(doomed), nil
}

// deployed returns the objects of the revision that is deployed, if it is another: an
// upgrade that has failed may have left some that it does not have itself.
func (a *act) deployed(ctx context.Context) ([]*unstructured.Unstructured, error) {
	heads, err := a.t.heads(ctx)
	if err != nil {
		return nil, err
	}
	from, ok := replaced(heads)
	if !ok || from.number == a.head.number {
		return nil, nil
	}
	rev, err := a.t.read(ctx, from.number)
	switch {
	case errors.Is(err, ErrCorrupt):
		return nil, nil
	case err != nil || rev == nil:
		return nil, err
	}
	return a.t.objects(rev.manifest, rev.namespace)
}

// unwrite deletes the objects of the release. One that has become that of another
// release stays.
func (a *act) unwrite(ctx context.Context) error {
	doomed, err := a.doomed(ctx)
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	changes, _, err := a.t.Applier.Remove(ctx, a.t.Owner, doomed, apply.Removal{
		Propagation: propagation(a.m.Terms.Propagation), Spare: a.t.spares,
	})
	for _, c := range changes {
		if c.Action == apply.Skipped {
			why := either(a.t.Vouch == nil, "belongs to another release by now", "is not known to be one of this release")
			a.step.Warnings = append(a.step.Warnings, c.Entry.String()+" "+why+", and stays")
		}
		a.logf("%s", c)
	}
	if err != nil {
		return a.patient(fmt.Errorf("failed to delete release: %s: %w", a.t.Name, err), a.m.Since)
	}
	return nil
}

func propagation(name string) metav1.DeletionPropagation {
	switch name {
	case "foreground":
		return metav1.DeletePropagationForeground
	case "orphan":
		return metav1.DeletePropagationOrphan
	}
	return metav1.DeletePropagationBackground
}

// awaitGone waits until the objects that are being deleted are gone.
func (a *act) awaitGone(ctx context.Context) error {
	if a.m.Terms.Wait == WaitHooks {
		return nil
	}
	doomed, err := a.doomed(ctx)
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	remaining, err := a.t.Applier.Remaining(ctx, a.t.Owner, doomed)
	if err != nil {
		return a.patient(err, a.m.Since)
	}
	var going apply.Inventory
	for _, e := range remaining {
		live, err := a.t.Applier.Live(ctx, e)
		if err != nil {
			return a.patient(err, a.m.Since)
		}
		if live != nil && live.GetDeletionTimestamp() != nil {
			going = append(going, e)
		}
	}
	switch {
	case len(going) == 0:
		return nil
	case a.late(a.m.Since):
		names := make([]string, len(going))
		for i, e := range going {
			names[i] = e.String()
		}
		return fail(fmt.Errorf("%s termination timeout", strings.Join(names, ", ")))
	}
	a.wait("objects to be gone", going, a.m.Since, recheckGone)
	return nil
}

// endUninstall deletes the revisions, or keeps the last as one that is uninstalled.
func (a *act) endUninstall(ctx context.Context) error {
	if n := len(a.m.Errors); n > 0 && a.m.Failure == "" {
		a.m.Failure = fmt.Sprintf("uninstallation completed with %d error(s): %s", n, strings.Join(a.m.Errors, "; "))
	}
	a.t.Applier.Watch(a.t.Owner, nil)
	if !a.m.Terms.Keep {
		return a.purge(ctx)
	}
	rev, err := a.content(ctx)
	if err != nil {
		return err
	}
	if err := a.outdateOthers(ctx); err != nil {
		return err
	}
	rev.info.Status, rev.info.Description = statusUninstalled, "Uninstallation complete"
	a.fold()
	a.m.Step, a.m.Ended = placeEnded, a.now()
	a.m.Hooks = nil
	return a.store(ctx)
}

// purge deletes all revisions. The last goes last: it says where the action is.
func (a *act) purge(ctx context.Context) error {
	last, err := a.content(ctx)
	if err != nil {
		return err
	}
	o, err := a.observe(last, Tag{OCIDigest: a.m.Terms.OCIDigest})
	if err != nil {
		return err
	}
	heads, err := a.t.heads(ctx)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if err := a.t.remove(ctx, h); err != nil {
			return err
		}
	}
	o.Gone, o.Underway = true, false
	a.tell(o)
	a.memo.forget(a.t.Owner)
	return nil
}
