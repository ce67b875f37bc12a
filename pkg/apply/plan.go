package apply

import (
	"context"
	"slices"
	"unique"

	"github.com/fluxd/fluxd/pkg/api"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Request is what [Applier.Plan] decides about.
type Request struct {
	Owner Owner
	// Objects are the desired objects. Plan takes them over and edits them.
	Objects []*unstructured.Unstructured
	// Inventory is that of the last pass.
	Inventory Inventory
	// CommonLabels and CommonAnnotations are set on every object and win over what
	// it has.
	CommonLabels, CommonAnnotations map[string]string
	// Ignore are the rules of spec.ignore.
	Ignore []api.IgnoreRule
	// Rules judge the health of kinds that the general rules do not fit.
	Rules *Rules
	// Force replaces objects whose change the API server refuses as immutable.
	Force bool
	// Client has objects merged by the client; nil leaves that to the API server.
	Client *ClientSide
	// Repair is for a plan that sets back what others have changed: objects with the
	// mark of [Config.DriftKey], wanted or live, are left alone.
	Repair bool
	// Resync compares every object with the server, whatever is remembered.
	Resync bool
}

// Plan is what has to be done for one owner.
type Plan struct {
	Owner Owner
	// Inventory has every desired object, in stage and sort order.
	Inventory Inventory
	// Additions are the entries that the last inventory lacks. They must be saved
	// before Apply, so that a crash orphans nothing.
	Additions Inventory
	// Stale are the entries of the last inventory that are not desired any more.
	Stale Inventory
	// Warnings are sentences for people about the desired objects.
	Warnings []string

	steps  []*step
	mapper *mapper
	// uncertain: some kind could not be looked up, which does not mean that it is
	// not served.
	uncertain bool
	force     bool
	repair    bool
	client    *ClientSide // nil for server-side apply
	ignore    *ignoreRules
}

// Unchanged says that applying the plan would send nothing: every object is as it
// was left, or nobody's business, and nothing is stale.
func (p *Plan) Unchanged() bool {
	return len(p.Stale) == 0 && !slices.ContainsFunc(p.steps, (*step).pending)
}

// Candidates counts the objects that Apply will at least compare with the server.
func (p *Plan) Candidates() int {
	n := 0
	for _, s := range p.steps {
		if s.pending() {
			n++
		}
	}
	return n
}

// Plan compares what is wanted with what is remembered. It prepares the objects
// (labels, normal form), and fails on those that may not be sent at all, such as
// Secrets that are still encrypted. It writes nothing. The only requests are first
// lists of kinds that were not watched so far, and reads of kinds that cannot be.
func (a *Applier) Plan(ctx context.Context, r Request) (*Plan, error) {
	ignore, err := compileIgnore(r.Ignore, a.reducer.hash)
	if err != nil {
		return nil, err
	}
	a.store.agree(r.Owner, ignore, r.Rules)
	a.store.disarm(r.Owner)
	p := &Plan{Owner: r.Owner, mapper: a.mapper(), force: r.Force, repair: r.Repair, client: r.Client, ignore: a.store.terms(r.Owner).ignore}
	if err := a.steps(p, r); err != nil {
		return nil, err
	}
	p.Additions = p.Inventory.Without(r.Inventory)
	p.Stale = r.Inventory.Without(p.Inventory)
	a.attach(p)
	a.recall(ctx, p, r.Inventory)
	for _, s := range p.steps {
		s.verdict = decide(s.facts(a.by(r.Owner), r))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// steps prepares the desired objects and puts them in order.
func (a *Applier) steps(p *Plan, r Request) error {
	p.mapper.declare(r.Objects)
	pre := preparer{
		labels: a.cfg.Labels, owner: r.Owner, prefix: a.cfg.MarkPrefix,
		common: r.CommonLabels, annotations: r.CommonAnnotations,
	}
	var errs []*ObjectError
	for _, obj := range r.Objects {
		if err := pre.prepare(obj); err != nil {
			errs = append(errs, err)
			continue
		}
		p.steps = append(p.steps, a.step(p, obj))
	}
	if len(errs) > 0 {
		return newStageError(errs, false)
	}
	slices.SortStableFunc(p.steps, func(s, t *step) int {
		if s.stage != t.stage {
			return s.stage - t.stage
		}
		return s.entry.compare(t.entry)
	})
	p.dedupe()
	if p.client != nil {
		p.client.place(p.mapper)
	}
	for _, s := range p.steps {
		p.Inventory = append(p.Inventory, s.entry)
	}
	return nil
}

// step returns the step of one prepared object.
func (a *Applier) step(p *Plan, obj *unstructured.Unstructured) *step {
	s := &step{obj: obj, entry: EntryOf(obj), marks: a.reducer.marks(obj)}
	s.stage = stageOf(s.entry.GroupKind(), a.cfg.StageKinds)
	s.skip = p.ignore.pointers(obj)
	s.want = mix(a.reducer.hash.value(obj.Object, nil), p.ignore.sum())
	v, err := p.mapper.known(s.entry.GroupVersionKind())
	if err == nil {
		s.serve(v)
	} else if p.mapper.clusterScoped(s.entry.GroupKind()) {
		s.entry.Namespace = ""
	}
	p.uncertain = p.uncertain || err != nil && !meta.IsNoMatchError(err)
	return s
}

// dedupe leaves the last of several objects of one identity, as applying them one
// after the other would, and says so.
func (p *Plan) dedupe() {
	last := make(map[Entry]*step, len(p.steps))
	for _, s := range p.steps {
		if last[s.entry.identity()] != nil {
			p.Warnings = append(p.Warnings, s.entry.String()+" is declared more than once; the last one counts")
		}
		last[s.entry.identity()] = s
	}
	p.steps = slices.DeleteFunc(p.steps, func(s *step) bool { return last[s.entry.identity()] != s })
}

// attach watches the kinds of what is desired and of what was.
func (a *Applier) attach(p *Plan) {
	var targets []target
	for _, s := range p.steps {
		if s.served != (served{}) {
			targets = append(targets, a.target(s.served))
		}
	}
	for _, e := range p.Stale {
		v, err := p.mapper.any(e)
		if err == nil {
			targets = append(targets, a.target(v))
		}
		p.uncertain = p.uncertain || err != nil && !meta.IsNoMatchError(err)
	}
	sources := a.store.attach(p.Owner, forKinds, targets, p.uncertain)
	i := 0
	for _, s := range p.steps {
		if s.served != (served{}) {
			s.src = sources[i]
			i++
		}
	}
}

// target is what is watched for a kind.
func (a *Applier) target(v served) target {
	return target{client: a.cfg.Dynamic, gvr: v.gvr, labels: a.cfg.Labels.Name}
}

// recall fills in what is known of the live objects.
func (a *Applier) recall(ctx context.Context, p *Plan, inventory Inventory) {
	had := make(map[Entry]struct{}, len(inventory))
	for _, e := range inventory {
		had[e.identity()] = struct{}{}
	}
	var sources []*source
	for _, s := range p.steps {
		if _, old := had[s.entry.identity()]; old && s.src != nil {
			s.old = true
			if len(sources) == 0 || sources[len(sources)-1] != s.src {
				sources = append(sources, s.src)
			}
		}
	}
	a.store.await(ctx, sources)
	a.store.recall(p.steps, a.by(p.Owner))
	blind := slices.DeleteFunc(slices.Clone(p.steps), func(s *step) bool { return !s.unread(a.by(p.Owner)) })
	a.each(ctx, len(blind), func(i int) { a.read(ctx, blind[i]) })
}

// read looks at the live object of s where no record can be trusted. An error leaves
// it unknown: the dry-run will say more.
func (a *Applier) read(ctx context.Context, s *step) {
	live, rec, err := a.reread(ctx, s.served, s.src, s.key)
	if err != nil {
		return
	}
	s.rec, s.here, s.known = rec, live != nil, true
}

// terms returns what o asks of its records.
func (s *store) terms(o Owner) terms { return s.termsOf(unique.Make(o)) }
