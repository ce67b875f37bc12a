package apply

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
)

// Outcome is what [Applier.Apply] did.
type Outcome struct {
	// Changes has an element per object of the stages that were carried out.
	Changes Changes
	// Inventory has every desired object, whether or not its stage was reached.
	Inventory Inventory
	// Waiting names what must be healthy, or gone, before the rest can go on. Wake
	// is called when that changes. Empty means that the plan is carried out.
	Waiting Inventory
	// Recheck is after how long to run again although nothing wakes the owner, for
	// what cannot be watched. Zero means that a wake will come.
	Recheck time.Duration
	// Warnings are sentences for people, such as fields that were left out because
	// the API server does not know them.
	Warnings []string
}

// Wait times for what sends no event.
const (
	recheckBlind  = 5 * time.Second // objects that cannot be watched
	recheckServed = time.Second     // a CRD that is established but not served yet
)

// Apply carries out plan: stage by stage, a dry-run of everything that changed,
// and only if all of it passed the writes. It returns what was done together with
// a *[StageError] when a stage did not pass, and early, with Outcome.Waiting,
// when the next stage needs this one to be healthy first or when an object that
// is replaced is not gone yet.
func (a *Applier) Apply(ctx context.Context, plan *Plan) (Outcome, error) {
	r := &run{Applier: a, plan: plan, out: Outcome{Inventory: plan.Inventory, Warnings: slices.Clone(plan.Warnings)}}
	for stage := range stages {
		steps := plan.stage(stage)
		if err := r.stage(ctx, steps); err != nil {
			return r.out, err
		}
		if len(r.out.Waiting) == 0 && gates(stage) && plan.pendingAfter(stage) {
			r.awaitHealth(steps)
		}
		if len(r.out.Waiting) > 0 {
			break
		}
	}
	slices.Sort(r.out.Warnings)
	return r.out, nil
}

// stage returns the steps of one stage.
func (p *Plan) stage(stage int) []*step {
	from := slices.IndexFunc(p.steps, func(s *step) bool { return s.stage >= stage })
	if from < 0 {
		return nil
	}
	rest := p.steps[from:]
	if to := slices.IndexFunc(rest, func(s *step) bool { return s.stage > stage }); to >= 0 {
		rest = rest[:to]
	}
	return rest
}

// pendingAfter says whether a later stage has something to send.
func (p *Plan) pendingAfter(stage int) bool {
	return slices.ContainsFunc(p.steps, func(s *step) bool { return s.stage > stage && s.pending() })
}

// run is one Apply under way.
type run struct {
	*Applier
	plan *Plan
	out  Outcome
}

// stage carries out one stage: what its steps need is found out first, with all
// errors collected, and only then written.
func (r *run) stage(ctx context.Context, steps []*step) error {
	trials := make([]*trial, 0, len(steps))
	for _, s := range steps {
		if s.pending() {
			trials = append(trials, &trial{step: s})
		}
	}
	if len(trials) > 0 && !r.serveAll(trials) {
		return nil
	}
	alone := len(trials) == 1
	r.each(ctx, len(trials), func(i int) { r.try(ctx, trials[i], alone) })
	if err := stageError(ctx, trials); err != nil {
		r.report(nil, trials)
		return err
	}
	for _, class := range classes(len(trials), func(i int) Entry { return trials[i].entry }) {
		batch := trials[class[0]:class[1]]
		r.each(ctx, len(batch), func(i int) { r.carryOut(ctx, batch[i]) })
		if slices.ContainsFunc(batch, func(t *trial) bool { return t.err != nil }) {
			break // what follows may refer to what is missing now
		}
	}
	r.report(steps, trials)
	return stageError(ctx, trials)
}

// serveAll finds out how the kinds of trials are served, which a CRD of an earlier
// stage may have changed since the plan. It says false if such a kind is not served
// yet, which is only a matter of time; a kind that nobody declared is an error of
// its trial.
func (r *run) serveAll(trials []*trial) bool {
	for _, t := range trials {
		if t.served != (served{}) {
			continue
		}
		v, err := r.plan.mapper.find(t.entry.GroupVersionKind())
		if err == nil {
			t.serve(v)
			continue
		}
		if meta.IsNoMatchError(err) && r.plan.mapper.expects(t.entry.GroupVersionKind()) {
			r.out.Waiting = append(r.out.Waiting, t.entry)
			r.out.Recheck = recheckServed
			continue
		}
		t.err = dryRunError(t.entry, false, err)
	}
	r.watchNew(trials)
	return len(r.out.Waiting) == 0
}

// watchNew attaches the owner to the kinds that are served only since the plan.
func (r *run) watchNew(trials []*trial) {
	if !slices.ContainsFunc(trials, func(t *trial) bool { return t.src == nil && t.served != (served{}) }) {
		return
	}
	r.attach(r.plan)
	fresh := make([]*step, 0, len(trials))
	for _, t := range trials {
		fresh = append(fresh, t.step)
	}
	r.store.recall(fresh, r.by(r.plan.Owner))
}

// report adds what became of steps to the outcome.
func (r *run) report(steps []*step, trials []*trial) {
	r.warn(trials)
	next := 0
	for _, s := range steps {
		if next == len(trials) || trials[next].step != s {
			action := Unchanged
			if s.verdict == hold {
				action = Skipped
			}
			r.out.Changes = append(r.out.Changes, Change{s.entry, action})
			continue
		}
		t := trials[next]
		next++
		if t.done() {
			r.out.Changes = append(r.out.Changes, Change{s.entry, t.action})
		}
		if t.err == nil && t.action == replacing {
			r.out.Waiting = append(r.out.Waiting, s.entry)
			r.waitGone(t)
		}
	}
}

func (r *run) warn(trials []*trial) {
	for _, t := range trials {
		r.out.Warnings = append(r.out.Warnings, t.warnings...)
	}
}

// awaitHealth stops the plan behind steps until all of them are healthy.
func (r *run) awaitHealth(steps []*step) {
	for _, s := range steps {
		if s.verdict == hold || s.src == nil {
			continue // nobody's business, and so nothing to wait for
		}
		healthy := func(rec record, here bool) bool { return here && rec.health == current }
		met, watched := r.store.expect(r.plan.Owner, s.src, s.key, healthy)
		if met {
			continue
		}
		r.out.Waiting = append(r.out.Waiting, s.entry)
		if !watched {
			r.out.Recheck = recheckBlind
		}
	}
}

// waitGone has the owner woken when the object that t replaces is gone.
func (r *run) waitGone(t *trial) {
	gone := func(rec record, here bool) bool { return !here || rec.uid != t.rec.uid }
	met, watched := r.store.expect(r.plan.Owner, t.src, t.key, gone)
	switch {
	case met:
		r.store.call(wakes{r.plan.Owner: 0})
	case !watched:
		r.out.Recheck = recheckBlind
	}
}
