package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
)

// Drift is an object that differs from what its release says, or, if it is held, one
// that a mark takes out of the comparison.
type Drift = apply.Difference

// Watch is what is compared, and how.
type Watch struct {
	// Version is the revision, as it was last observed.
	Version int
	// Ignore are the rules of spec.driftDetection.ignore.
	Ignore []api.IgnoreRule
	// Resync compares every object with the server, whatever is remembered.
	Resync bool
}

// rules tells the rules from any others.
func (w Watch) rules() string {
	data, err := json.Marshal(w.Ignore)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// Drift compares the objects of a revision with the cluster, and has the owner woken
// when one of them changes from now on. Where they can be watched and nothing has
// changed since the last time, it makes no request. It returns what differs, sorted,
// beside an error about what could not be compared. Hooks are not compared.
func (r *Releaser) Drift(ctx context.Context, t Target, w Watch) ([]Drift, error) {
	if inv, ok := r.memo.watched(t, w); ok && !w.Resync && t.Applier.Intact(t.Owner, inv) {
		return nil, nil
	}
	plan, err := r.planDrift(ctx, t, w, nil)
	if err != nil {
		return nil, err
	}
	r.memo.keepWatched(t, w, plan.Inventory)
	return t.Applier.Compare(ctx, plan)
}

// planDrift plans to set back what differs, but for some objects.
func (r *Releaser) planDrift(ctx context.Context, t Target, w Watch, besides apply.Inventory) (*apply.Plan, error) {
	rev, err := t.read(ctx, w.Version)
	if err != nil {
		return nil, err
	}
	if rev == nil {
		return nil, fmt.Errorf("revision %d: %w", w.Version, ErrNoRelease)
	}
	t.Namespace = rev.namespace
	objects, err := t.objects(rev.manifest, rev.namespace)
	if err != nil {
		return nil, err
	}
	t.own(objects)
	all := entries(objects)
	objects = slices.DeleteFunc(objects, func(obj *unstructured.Unstructured) bool {
		return slices.Contains(besides, apply.EntryOf(obj))
	})
	request := apply.Request{
		Owner: t.Owner, Objects: objects, Inventory: all, Ignore: w.Ignore, Resync: w.Resync, Repair: true,
		Rules: t.Health.objects(WaitPoller, true),
	}
	if rev.method != ServerSide {
		request.Client = &apply.ClientSide{Previous: slices.Clone(objects), Adopt: true}
	}
	return t.Applier.Plan(ctx, request)
}

// Correct sets back what differs, in the order of its kinds, and goes on behind
// errors. It returns what it did, with an error that has a line per object.
func (r *Releaser) Correct(ctx context.Context, t Target, w Watch) (apply.Changes, error) {
	var done apply.Changes
	var failed apply.Inventory
	var lines []string
	for {
		plan, err := r.planDrift(ctx, t, w, failed)
		if err != nil {
			return done, err
		}
		outcome, err := t.Applier.Apply(ctx, plan)
		for _, c := range outcome.Changes {
			if c.Action == apply.Created || c.Action == apply.Configured {
				done = append(done, c)
			}
		}
		stage, ok := errors.AsType[*apply.StageError](err)
		if err != nil && !ok {
			return done, err
		}
		if err == nil {
			break
		}
		before := len(failed)
		for _, e := range stage.Errors {
			if !slices.Contains(failed, e.Entry) {
				failed = append(failed, e.Entry)
				lines = append(lines, e.Text)
			}
		}
		if len(failed) == before {
			return done, err
		}
	}
	if len(lines) > 0 {
		slices.Sort(lines)
		return done, errors.New(strings.Join(lines, "\n"))
	}
	return done, nil
}

// Unwatch ends what Drift and the actions have watched for an owner.
func (r *Releaser) Unwatch(t Target) {
	t.Applier.Forget(t.Owner)
	r.memo.dropWatched(t.Owner)
}
