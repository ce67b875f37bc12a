package release

import (
	"context"
	"fmt"

	digest "github.com/opencontainers/go-digest"
	helm "helm.sh/helm/v3/pkg/release"

	"github.com/fluxd/fluxd/pkg/apply"
)

// Last returns the last revision of a release, or nil. If it is the one that the owner
// was told of before, this costs one request for names and versions. A revision that
// cannot be read is an error.
func (r *Releaser) Last(ctx context.Context, t Target, tag Tag) (*Observation, error) {
	heads, err := t.heads(ctx)
	if err != nil || len(heads) == 0 {
		return nil, err
	}
	last := heads[len(heads)-1]
	if o, ok := r.memo.recall(t, last, tag); ok {
		return &o, nil
	}
	return r.Revision(ctx, t, last.number, tag)
}

// Revision returns one revision, or nil.
func (r *Releaser) Revision(ctx context.Context, t Target, version int, tag Tag) (*Observation, error) {
	rev, err := t.read(ctx, version)
	if err != nil || rev == nil {
		return nil, err
	}
	o, err := r.observe(rev, tag)
	if err != nil {
		return nil, err
	}
	o = r.memo.keep(t, rev.head, tag, o)
	return &o, nil
}

// observe returns what is told of a revision.
func (r *Releaser) observe(rev *revision, tag Tag) (Observation, error) {
	c := rev.content
	o := Observation{
		Name: c.name, Namespace: c.namespace, Version: c.version,
		Status: c.info.Status, Description: c.info.Description, Method: c.method,
		FirstDeployed: c.info.FirstDeployed, LastDeployed: c.info.LastDeployed, Deleted: c.info.Deleted,
	}
	if c.chart != nil {
		o.ChartName, o.ChartVersion, o.AppVersion = c.chart.Name, c.chart.Version, c.chart.AppVersion
	}
	if r.cfg.ConfigDigest != nil {
		o.ConfigDigest = r.cfg.ConfigDigest(c.values)
	}
	for _, h := range c.hooks {
		if h.is(helm.HookTest) {
			if o.Tests == nil {
				o.Tests = map[string]HookRun{}
			}
			o.Tests[h.Name] = h.Run
		}
	}
	o.marked(rev.mark)
	algorithm := r.cfg.Algorithm
	if d := digest.Digest(tag.Digest); d.Validate() == nil {
		algorithm = d.Algorithm()
	}
	var err error
	if o.Digest, err = c.digestOf(algorithm, tag.OCIDigest); err != nil {
		return Observation{}, fmt.Errorf("digest release %s.v%d: %w", c.name, c.version, err)
	}
	return o, nil
}

// marked takes over what a mark says; nil says nothing.
func (o *Observation) marked(m *mark) {
	if m != nil {
		o.Attempt, o.Action, o.Underway, o.Failure = m.Attempt, m.Action, m.underway(), m.Failure
		o.Began, o.Ended = m.Began, m.Ended
	}
}

// Inventory returns the objects of a revision, without hooks, and what the crds folders
// of its chart add to them if the action that made it was ours.
func (r *Releaser) Inventory(ctx context.Context, t Target, version int) (apply.Inventory, error) {
	rev, err := t.read(ctx, version)
	if err != nil || rev == nil {
		return nil, err
	}
	objects, err := t.objects(rev.manifest, rev.namespace)
	if err != nil || rev.mark == nil {
		return entries(objects), err
	}
	crds, err := apply.ReadInventory(rev.mark.CRDs)
	return entries(objects).Union(crds), err
}

// Current returns the chart and the values of the revision that an upgrade replaces:
// the last one that is deployed, or else the last. It is for upgrades that preserve
// values.
func (r *Releaser) Current(ctx context.Context, t Target) (*Chart, map[string]any, error) {
	heads, err := t.heads(ctx)
	if err != nil {
		return nil, nil, err
	}
	h, ok := replaced(heads)
	if !ok {
		return nil, nil, fmt.Errorf("%q %w", t.Name, ErrNoDeployed)
	}
	_, data, err := t.fetch(ctx, h.number)
	if err != nil {
		return nil, nil, err
	}
	return decodeChart(data)
}

// replaced returns the revision that an upgrade replaces: the last one that is
// deployed, or else the last.
func replaced(heads []head) (head, bool) {
	for i := len(heads) - 1; i >= 0; i-- {
		if heads[i].status() == statusDeployed {
			return heads[i], true
		}
	}
	if len(heads) == 0 {
		return head{}, false
	}
	return heads[len(heads)-1], true
}
