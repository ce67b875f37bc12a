package release

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	helm "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/apply"
)

// hooks runs those of the present step, one after the other by weight and name, and
// then deletes what is to be deleted of them.
func (a *act) hooks(ctx context.Context) error {
	if a.m.Terms.NoHooks {
		return nil
	}
	list, err := a.hookList(ctx)
	if err != nil {
		return err
	}
	for n, h := range list {
		err := a.hook(ctx, h)
		if err != nil || a.step.Waiting != nil {
			return err
		}
		if h.run.Phase == hookFailed {
			return a.hookFailure(ctx, list[:n+1])
		}
	}
	return a.sweep(ctx, list)
}

// hook is a hook in the course of an action.
type hook struct {
	*storedHook
	run     *hookMark
	objects []*unstructured.Unstructured
	entries apply.Inventory
}

// String returns the object that people look for.
func (h *hook) String() string {
	if len(h.entries) == 0 {
		return h.Kind + "/" + h.Name
	}
	return h.entries[0].String()
}

// hookList returns the hooks of the present step in the order in which they run.
func (a *act) hookList(ctx context.Context) ([]*hook, error) {
	rev, err := a.content(ctx)
	if err != nil {
		return nil, err
	}
	event := a.event()
	var indices []int
	for i, h := range rev.hooks {
		if h.is(event) && a.selects(h) {
			indices = append(indices, i)
		}
	}
	slices.SortStableFunc(indices, func(i, j int) int {
		return cmp.Or(cmp.Compare(rev.hooks[i].Weight, rev.hooks[j].Weight), cmp.Compare(rev.hooks[i].Name, rev.hooks[j].Name))
	})
	a.addRuns(indices)
	list := make([]*hook, len(indices))
	for n, i := range indices {
		h := &hook{storedHook: rev.hooks[i], run: a.runOf(i)}
		if h.objects, err = a.t.objects(h.Manifest, rev.namespace); err != nil {
			if transient(err) {
				return nil, err
			}
			return nil, fail(fmt.Errorf("unable to build kubernetes object for %s hook %s: %w", event, h.Path, err))
		}
		for _, obj := range h.objects {
			h.entries = append(h.entries, apply.EntryOf(obj))
		}
		list[n] = h
	}
	return list, nil
}

// selects says whether a test is to run: what is excluded is not, and where some are
// included only those are.
func (a *act) selects(h *storedHook) bool {
	t := a.m.Terms
	if a.m.Action != ActionTest || !slices.Contains(t.Exclude, h.Name) && len(t.Include) == 0 {
		return true
	}
	return !slices.Contains(t.Exclude, h.Name) && slices.Contains(t.Include, h.Name)
}

// addRuns adds runs for hooks of the present step that have none.
func (a *act) addRuns(indices []int) {
	for _, i := range indices {
		if a.runOf(i) == nil {
			a.m.Hooks = append(a.m.Hooks, hookMark{At: a.m.Step, Index: i})
		}
	}
}

func (a *act) runOf(index int) *hookMark {
	for n := range a.m.Hooks {
		if r := &a.m.Hooks[n]; r.At == a.m.Step && r.Index == index {
			return r
		}
	}
	return nil
}

// hook brings one hook as far as it gets.
func (a *act) hook(ctx context.Context, h *hook) error {
	for {
		var err error
		switch h.run.Phase {
		case "", hookClearing:
			err = a.clear(ctx, h)
		case hookRunning:
			err = a.start(ctx, h)
		case hookStarted:
			err = a.judge(ctx, h)
		case hookSucceeded, hookFailed:
			return nil
		}
		if err != nil || a.step.Waiting != nil {
			return err
		}
	}
}

// policies are those of a hook; without any, what the last run left is deleted.
func (h *hook) policies() []helm.HookDeletePolicy {
	if len(h.DeletePolicies) == 0 {
		h.DeletePolicies = []helm.HookDeletePolicy{helm.HookBeforeHookCreation}
	}
	return h.DeletePolicies
}

// deletes says whether a hook is to be deleted by a policy. Definitions never are:
// everything of their kind would go with them.
func (h *hook) deletes(p helm.HookDeletePolicy) bool {
	return h.Kind != "CustomResourceDefinition" && slices.Contains(h.policies(), p)
}

// hookFailure deletes what is to be deleted after a failure, and returns it.
func (a *act) hookFailure(ctx context.Context, run []*hook) error {
	last := run[len(run)-1]
	for _, h := range run {
		policy := either(h == last, helm.HookFailed, helm.HookSucceeded)
		if !h.deletes(policy) {
			continue
		}
		if _, err := a.delete(ctx, h, h.run.UID); err != nil {
			if transient(err) && !a.late(last.run.Completed) {
				return err
			}
			a.logf("delete the hook %s: %s", h, err)
		}
	}
	return fail(a.hookError(last.run.Why))
}

// hookError is the failure of a hook, in the words of the action.
func (a *act) hookError(why string) error {
	switch a.m.Action {
	case ActionInstall:
		return fmt.Errorf("failed %s: %s", a.event(), why)
	case ActionUpgrade:
		return fmt.Errorf("%s hooks failed: %s", a.event(), why)
	}
	return fmt.Errorf("%s", why)
}

// sweep deletes the hooks of the present step, which have all succeeded, that are not
// to stay, and waits until they are gone.
func (a *act) sweep(ctx context.Context, list []*hook) error {
	for _, h := range slices.Backward(list) {
		if !h.deletes(helm.HookSucceeded) {
			continue
		}
		if gone, err := a.deleted(ctx, h, h.run.UID, &a.m.Since); err != nil || !gone {
			return err
		}
	}
	return nil
}
