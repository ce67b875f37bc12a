package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/meta"
)

// Finding is the health of one object.
type Finding struct {
	Entry
	Status  status.Status
	Message string
	// Err is why the health could not be read, with Status Unknown.
	Err error
}

// String returns the form that people know: Deployment/apps/web status: 'Failed'.
func (f Finding) String() string {
	s := f.Entry.String() + " status: '" + f.Status.String() + "'"
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Report is the health of a set of objects at one moment.
type Report struct {
	// Findings has the objects that are not Current, sorted by subject.
	Findings []Finding
	// Total is how many objects were asked about.
	Total int
	// Recheck is after how long to ask again although nothing wakes the owner: some
	// health depends on the passing of time, and some objects cannot be watched.
	// Zero means that a wake will come.
	Recheck time.Duration
}

// Healthy says that every object is Current.
func (r Report) Healthy() bool { return len(r.Findings) == 0 }

// Failed returns the findings that waiting will not mend.
func (r Report) Failed() []Finding {
	var failed []Finding
	for _, f := range r.Findings {
		if f.Status == status.FailedStatus {
			failed = append(failed, f)
		}
	}
	return failed
}

// Terminal says that waiting changes nothing any more: every object is Current or
// Failed.
func (r Report) Terminal() bool { return len(r.Failed()) == len(r.Findings) }

// Times after which health that sends no event is asked for again.
const recheckTimed = status.ScheduleWindow + time.Second

// ErrNamespaceRequired says that an object cannot be looked for without a namespace.
var ErrNamespaceRequired = errors.New("the kind is namespaced, and no namespace is given")

// Health returns the health of entries from their records, and sees to it that
// Wake is called when that of an object which is not Current changes. It never
// waits for anything but an answer of the API server. Entries that owner has not
// applied are read with the identity of a; those without a version are looked for at
// the preferred one.
func (a *Applier) Health(ctx context.Context, owner Owner, entries Inventory) (Report, error) {
	return a.health(ctx, owner, entries, a.store.terms(owner).rules, false)
}

// Judge is [Applier.Health] by rules that are not those of the owner. An object of a
// kind that they are about is watched by itself for that.
func (a *Applier) Judge(ctx context.Context, owner Owner, entries Inventory, rules *Rules) (Report, error) {
	return a.health(ctx, owner, entries, rules, true)
}

func (a *Applier) health(ctx context.Context, owner Owner, entries Inventory, rules *Rules, apart bool) (Report, error) {
	checks, err := a.checks(ctx, owner, entries, rules)
	if err != nil {
		return Report{}, err
	}
	for _, c := range checks {
		c.single = c.single || apart && c.err == nil && rules.find(c.entry.GroupKind()) != nil
	}
	a.attachSingles(ctx, owner, checks, rules)
	a.attachPods(ctx, owner, checks)
	return a.report(ctx, owner, checks)
}

// report looks at every object and sums up.
func (a *Applier) report(ctx context.Context, owner Owner, checks []*check) (Report, error) {
	a.each(ctx, len(checks), func(i int) { a.examine(ctx, owner, checks[i]) })
	r := Report{Total: len(checks)}
	for _, c := range checks {
		r.add(c)
	}
	slices.SortFunc(r.Findings, func(f, g Finding) int { return cmp.Compare(f.Entry.String(), g.Entry.String()) })
	return r, ctx.Err()
}

// check is the health of one object on its way into a report.
type check struct {
	entry  Entry
	served served
	src    *source
	key    key
	// single: the object is watched by itself.
	single bool
	// pods are watched beside it, as it may fail by them.
	pods *source

	health  health
	message string
	err     error
	recheck time.Duration
}

func (r *Report) add(c *check) {
	if c.recheck > 0 && (r.Recheck == 0 || c.recheck < r.Recheck) {
		r.Recheck = c.recheck
	}
	if c.health == current && c.err == nil {
		return
	}
	f := Finding{Entry: c.entry, Status: c.health.status(), Message: c.message, Err: c.err}
	if c.health == unknown && c.err == nil {
		f.Message, f.Err = "", errors.New(c.message)
	}
	r.Findings = append(r.Findings, f)
}

// checks finds out where the records of entries are, for somebody who judges by rules.
func (a *Applier) checks(ctx context.Context, owner Owner, entries Inventory, rules *Rules) ([]*check, error) {
	m := a.mapper()
	checks := make([]*check, len(entries))
	var sources []*source
	for i, e := range entries {
		c := &check{entry: e}
		checks[i] = c
		v, err := m.any(e)
		if err != nil {
			c.err, c.recheck = err, recheckBlind
			continue
		}
		if v.namespaced && e.Namespace == "" {
			return nil, fmt.Errorf("check health of %s: %w", e, ErrNamespaceRequired)
		}
		c.served, c.key = v, v.place(e.Namespace, e.Name)
		if c.src = a.store.find(a.target(v)); c.src != nil {
			sources = append(sources, c.src)
		}
	}
	a.store.await(ctx, sources)
	for _, c := range checks {
		c.single = c.err == nil && (c.src == nil || !a.store.knows(c, a.by(owner), rules))
	}
	return checks, nil
}

// knows says whether the records of src can tell an author about the object of c, and
// may. Where rules have one for the kind, the records of others, who judge by theirs,
// tell nothing.
func (s *store) knows(c *check, by author, rules *Rules) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := c.src.slots[c.key]
	switch {
	case sl == nil || !sl.tells(by):
		return false
	case sl.here && rules.find(c.entry.GroupKind()) != nil:
		return sl.record.owner == by.owner
	}
	return sl.here || sl.left.owner == by.owner
}

// attachSingles watches by themselves the objects that no other watch covers.
func (a *Applier) attachSingles(ctx context.Context, owner Owner, checks []*check, rules *Rules) {
	var single []*check
	var targets []target
	for _, c := range checks {
		if c.single {
			single = append(single, c)
			targets = append(targets, a.alone(c, rules))
		}
	}
	sources := a.store.attach(owner, forSingles, targets, false)
	for i, c := range single {
		c.src = sources[i]
	}
	a.store.await(ctx, sources)
}

// alone is what is watched for one object by itself.
func (a *Applier) alone(c *check, rules *Rules) target {
	return target{
		client: a.client, gvr: c.served.gvr, namespace: c.key.namespace, fields: "metadata.name=" + c.key.name,
		rules: rules.ofKind(c.entry.GroupKind()),
	}
}

// examine fills in the health of one object and arms the wake of owner.
func (a *Applier) examine(ctx context.Context, owner Owner, c *check) {
	if c.err != nil {
		return
	}
	rec, here, reread := a.store.consult(owner, c)
	if reread {
		if _, _, err := a.reread(ctx, c.served, c.src, c.key); err != nil {
			c.err, c.recheck = err, recheckBlind
			return
		}
		rec, here, _ = a.store.consult(owner, c)
	}
	switch {
	case here:
		c.health, c.message = rec.health, rec.message
	case rec.flags&expires != 0:
		c.health = current // a Job that has deleted itself was done
	default:
		c.health = notFound
	}
	if c.health == inProgress && rec.flags&timed != 0 {
		c.recheck = recheckTimed
	}
	if c.health == inProgress && c.pods != nil && a.store.podFailed(owner, c.pods) {
		c.health, c.message = failed, "a Pod of it has failed"
	}
}

// consult reads the record of c and, if it is not current, arms the wake of owner.
// It asks for the object to be read where the record cannot be trusted.
func (s *store) consult(owner Owner, c *check) (rec record, here, reread bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := c.src.slots[c.key]; sl != nil {
		rec, here = sl.record, sl.here
	}
	if c.src.state == blind || c.src.state == starting {
		reread, c.recheck = true, recheckBlind
	}
	if here && rec.flags&(stale|timed) != 0 {
		reread = true
	}
	if !here || rec.health != current {
		c.src.arm(owner, c.key)
	} else {
		c.recheck = 0
	}
	return rec, here, reread
}

// Remaining returns those of entries whose objects still exist. Wake is called
// when one of them is gone, unless the kind cannot be watched.
func (a *Applier) Remaining(ctx context.Context, owner Owner, entries Inventory) (Inventory, error) {
	report, err := a.Health(ctx, owner, entries)
	if err != nil {
		return nil, err
	}
	gone := make(map[Entry]bool, len(report.Findings))
	for _, f := range report.Findings {
		gone[f.Entry] = f.Status == status.NotFoundStatus || meta.IsNoMatchError(f.Err)
	}
	var remaining Inventory
	for _, e := range entries {
		if !gone[e] {
			remaining = append(remaining, e)
		}
	}
	return remaining, nil
}
