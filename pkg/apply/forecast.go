package apply

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/forecast"
)

// Foresight is what [Applier.Forecast] is asked.
type Foresight struct {
	// Plan is what would be applied.
	Plan *Plan
	// Current is the plan of what is applied now, nil if that is not known. Then all
	// differences count as changes. It has to be made before Plan.
	Current *Plan
	// Expected is what earlier applies would create.
	Expected *forecast.Expected
}

// Forecast says what [Applier.Apply] would do, in the order of the plan: it makes the
// same reads and dry-runs, judges them in the same way, and writes nothing. All
// stages are looked at, whatever of them passes; where an apply would stop, each
// refusal is told as the forecast of its object.
//
// What it finds out is remembered as a pass would, so the applier should be one that
// forgets: that of a preview, with Config.NoWatch.
func (a *Applier) Forecast(ctx context.Context, f Foresight) ([]forecast.Object, error) {
	r := &run{Applier: a, plan: f.Plan}
	trials := make([]*trial, len(f.Plan.steps))
	for i, s := range f.Plan.steps {
		trials[i] = &trial{step: s}
	}
	r.serveAll(trials) // what is not served yet is told below
	expected := f.expected(trials)
	now := f.Current.byIdentity()
	objects := make([]forecast.Object, len(trials))
	a.each(ctx, len(trials), func(i int) {
		s := sight{run: r, trial: trials[i], now: now[trials[i].entry.identity()], expected: expected}
		objects[i] = s.look(ctx)
	})
	return objects, ctx.Err()
}

// expected adds the namespaces and kinds of the plan itself.
func (f Foresight) expected(trials []*trial) *forecast.Expected {
	e := f.Expected.Clone()
	for _, t := range trials {
		if t.entry.Group == "" && t.entry.Kind == "Namespace" {
			e.AddNamespace(t.entry.Name)
		}
	}
	return e
}

// byIdentity returns the steps by what they are about.
func (p *Plan) byIdentity() map[Entry]*step {
	if p == nil {
		return nil
	}
	steps := make(map[Entry]*step, len(p.steps))
	for _, s := range p.steps {
		steps[s.entry.identity()] = s
	}
	return steps
}

// sight is one object that is looked at.
type sight struct {
	*run
	*trial
	now      *step // the object as it is applied now, nil if it is not
	expected *forecast.Expected

	live *unstructured.Unstructured
	out  forecast.Object
}

// look finds out what would become of the object.
func (s *sight) look(ctx context.Context) forecast.Object {
	s.out = objectOf(s.entry)
	s.out.Resource = s.served.gvr.Resource
	s.find(ctx)
	s.out.Notes = append(s.out.Notes, s.warnings...)
	return s.out
}

func objectOf(e Entry) forecast.Object {
	return forecast.Object{Group: e.Group, Version: e.Version, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name}
}

func (s *sight) find(ctx context.Context) {
	switch {
	case s.served == (served{}) && (s.plan.mapper.expects(s.entry.GroupVersionKind()) || s.expected.Kind(s.entry.GroupKind())):
		s.unverified("its kind is not served before its definition is there")
		return
	case s.err != nil:
		s.refused()
		return
	case s.served.namespaced && s.key.namespace == "":
		s.err = namespaceError(s.entry)
		s.refused()
		return
	}
	s.readLive(ctx)
	if decide(s.facts(s.by(s.plan.Owner), Request{Resync: true, Repair: s.plan.repair, Client: s.plan.client})) == hold {
		s.held()
		return
	}
	dry, err := s.applyObject(ctx, s.trial, true)
	switch {
	case err != nil && s.awaitsNamespace(err):
		s.unverified("its namespace is only created")
	case err != nil:
		s.dryRunFailed(ctx, s.trial, err)
		s.refusedFor(ctx, err)
	default:
		s.judge(ctx, dry)
	}
}

// readLive reads the object. An error leaves it unknown: the dry-run will say more.
func (s *sight) readLive(ctx context.Context) {
	live, rec, err := s.reread(ctx, s.served, s.src, s.key)
	if err != nil {
		return
	}
	s.live = live
	s.rec, s.here, s.known = rec, live != nil, true
}

// awaitsNamespace says whether a dry-run was refused only because the namespace of the
// object is yet to be created.
func (s *sight) awaitsNamespace(err error) bool {
	if !apierrors.IsNotFound(err) || !s.expected.Namespace(s.key.namespace) {
		return false
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}

// unverified tells of an object that the API server cannot judge yet.
func (s *sight) unverified(why string) {
	s.out.Action, s.out.Unverified, s.out.Message, s.out.Result = forecast.Created, true, why, s.obj
}

// held tells of an object that is left alone.
func (s *sight) held() {
	s.out.Action, s.out.Result = forecast.Skipped, s.live
	switch {
	case (s.marks|s.rec.flags)&markDisabled != 0:
		s.out.Message = "reconcile: disabled"
	case (s.marks|s.rec.flags)&markIgnore != 0:
		s.out.Message = "ssa: Ignore"
	default:
		s.out.Message = "ssa: IfNotPresent, and it is there"
	}
}

// refused tells that the object cannot be applied.
func (s *sight) refused() {
	s.out.Action, s.out.Message = forecast.Failed, s.err.Text
}

// refusedFor is refused for an error of a dry-run, which may end in a replacement.
func (s *sight) refusedFor(ctx context.Context, err error) {
	if !s.replace {
		s.refused()
		return
	}
	s.out.Action, s.out.Result = forecast.Recreated, s.obj
	s.out.Message = "the API server allows this change for new objects only: " + tell(s.entry, err)
	if live, err := s.get(ctx, s.served, s.key); err == nil {
		s.out.Change = forecast.Compare(s.declaredOf(live), s.obj, s.skip.paths())
	}
}

// declaredOf returns the fields of live that the desired object has as well, since
// nothing tells here what the API server would add to that.
func (s *sight) declaredOf(live *unstructured.Unstructured) *unstructured.Unstructured {
	if live == nil {
		return nil
	}
	common, _ := inCommon(live.Object, s.obj.Object).(map[string]any)
	return &unstructured.Unstructured{Object: common}
}

// inCommon returns of v what has a counterpart in other.
func inCommon(v, other any) any {
	switch v := v.(type) {
	case map[string]any:
		o, ok := other.(map[string]any)
		if !ok {
			return v
		}
		common := make(map[string]any, len(o))
		for name, sub := range o {
			if has, ok := v[name]; ok {
				common[name] = inCommon(has, sub)
			}
		}
		return common
	case []any:
		o, ok := other.([]any)
		if !ok || len(o) != len(v) {
			return v
		}
		common := make([]any, len(v))
		for i := range v {
			common[i] = inCommon(v[i], o[i])
		}
		return common
	}
	return v
}

// judge tells by the result of a dry-run.
func (s *sight) judge(ctx context.Context, dry *unstructured.Unstructured) {
	s.compare(ctx, s.trial, dry)
	if s.cleanup {
		dry = s.taken(ctx, dry)
	}
	s.out.Result = dry
	switch s.action {
	case Created:
		s.out.Action, s.out.Restored = forecast.Created, s.now != nil && s.old
	case Skipped:
		s.held()
	case Unchanged:
		s.out.Action = forecast.Unchanged
	default:
		s.out.Action = forecast.Configured
		s.tellFields(ctx, dry)
	}
}

// tellFields tells drift from change. The revision that is applied now is dry-run as
// well, unless it has the same object.
func (s *sight) tellFields(ctx context.Context, dry *unstructured.Unstructured) {
	ignored := s.skip.paths()
	if s.cleanup {
		s.out.Notes = append(s.out.Notes, "the fields that other tools left are taken over")
	}
	switch {
	case s.now == nil:
		s.out.Change = forecast.Compare(s.live, dry, ignored)
		return
	case s.now.want == s.want:
		s.out.Drift = forecast.Compare(s.live, dry, ignored)
		return
	}
	was := &trial{step: s.now}
	was.served, was.key = s.served, s.key
	now, err := s.applyObject(ctx, was, true)
	if err != nil {
		s.out.Notes = append(s.out.Notes, "drift is not told from change, since the API server refuses the revision that is applied now")
		s.out.Change = forecast.Compare(s.live, dry, ignored)
		return
	}
	if s.cleanup {
		now = s.taken(ctx, now)
	}
	s.out.Drift = forecast.Compare(s.live, now, ignored)
	s.out.Change = forecast.Compare(now, dry, ignored)
}

// ForecastPrune says what [Applier.Prune] would do with stale objects, in the order
// given.
func (a *Applier) ForecastPrune(ctx context.Context, owner Owner, stale Inventory) ([]forecast.Object, error) {
	cuts := a.fates(ctx, owner, stale)
	objects := make([]forecast.Object, len(cuts))
	for i, c := range cuts {
		o := objectOf(c.entry)
		o.Resource, o.Result = c.served.gvr.Resource, c.live
		switch {
		case c.err != nil:
			o.Action, o.Message = forecast.Failed, c.err.Text
		case c.action == Skipped:
			o.Action, o.Message = forecast.Skipped, "it is protected, or somebody else's by now"
		case c.action == Deleted:
			o.Action, o.Message = forecast.Deleted, "it is gone already"
		default:
			o.Action = forecast.Deleted
		}
		objects[i] = o
	}
	return objects, ctx.Err()
}
