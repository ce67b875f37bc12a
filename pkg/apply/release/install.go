package release

import (
	"context"
	"errors"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fluxd/fluxd/pkg/apply"
)

// longestName is how long the name of a release may be.
const longestName = 53

// checkName says whether Helm would have a name for a release.
func checkName(name string) error {
	if len(name) > longestName || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return fmt.Errorf("release name %q: %w", name, ErrName)
	}
	return nil
}

// check says whether there is a chart to store.
func (r Rendered) check() error {
	if r.Chart == nil || r.Chart.Metadata == nil {
		return ErrNoChart
	}
	return nil
}

// Install makes the first revision of a release. If the same attempt is under way, it
// goes on.
func (r *Releaser) Install(ctx context.Context, t Target, in Install) (Step, error) {
	if err := errors.Join(checkName(t.Name), in.check()); err != nil {
		return Step{}, err
	}
	heads, err := t.heads(ctx)
	if err != nil {
		return Step{}, err
	}
	version, from := 1, 0
	if n := len(heads); n > 0 {
		last := heads[n-1]
		if step, on, err := r.goOn(ctx, t, last, ActionInstall, nil); on || err != nil {
			return step, err
		}
		if s := last.status(); !in.Replace || s != statusUninstalled && s != statusFailed {
			return Step{}, ErrNameInUse
		}
		version, from = last.number+1, last.number
	}
	m := r.fresh(t, ActionInstall, in.Options)
	m.From, m.Terms.TakeOwnership = from, in.TakeOwnership
	now := m.Began
	c := &content{
		name: t.Name, namespace: t.Namespace, version: version, values: in.Values, manifest: in.Manifest,
		chart: in.Chart.Metadata, hooks: storeHooks(in.Hooks), method: orServerSide(in.Method),
		info: info{
			FirstDeployed: now, LastDeployed: now, Status: statusPendingInstall,
			Description: "Initial install underway", Notes: in.Notes,
		},
	}
	a := &act{Releaser: r, t: t, m: m}
	if err := a.prepare(ctx, c, in.Rendered, nil); err != nil {
		return Step{}, fmt.Errorf("unable to continue with install: %w", err)
	}
	if in.CreateNamespace {
		if err := t.createNamespace(ctx); err != nil {
			return Step{}, err
		}
	}
	if err := a.begin(ctx, c, nil, func(w io.Writer) error { return c.encode(w, in.Chart) }); err != nil {
		return Step{}, err
	}
	return a.run(ctx, nil)
}

func orServerSide(m Method) Method { return either(m == "", ServerSide, m) }

// prepare finds out whether the objects of a new revision can be built and may be
// taken; before are those that the release has already.
func (a *act) prepare(ctx context.Context, c *content, r Rendered, before apply.Inventory) error {
	objects, err := a.t.objects(c.manifest, c.namespace)
	if err != nil {
		return err
	}
	crds, err := EntriesOf(a.t, r.CRDs...)
	if err != nil {
		return fmt.Errorf("the crds folder: %w", err)
	}
	a.m.CRDs = crds.Refs()
	if a.m.Terms.TakeOwnership {
		return nil
	}
	isNew := map[apply.Entry]bool{}
	for _, e := range entries(objects).Without(before) {
		isNew[e] = true
	}
	for _, obj := range objects {
		e := apply.EntryOf(obj)
		if !isNew[e] {
			continue
		}
		live, err := a.t.Applier.Live(ctx, e)
		if err != nil {
			return fmt.Errorf("could not get information about the resource %s: %w", e, err)
		}
		if live != nil {
			if err := a.t.foreign(live); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin stores the new revision. labels are those of the one before.
func (a *act) begin(ctx context.Context, c *content, labels map[string]string, text func(io.Writer) error) error {
	rev := &revision{head: head{number: c.version, mark: a.m}, content: c}
	rev.meta.Labels = labels
	err := a.t.create(ctx, rev, a.now(), text)
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("%w: %w", ErrMoved, err)
	}
	if err != nil {
		return err
	}
	a.head = rev.head
	return a.observed(rev, Tag{OCIDigest: a.m.Terms.OCIDigest})
}

// createNamespace creates that of the release if there is none.
func (t Target) createNamespace(ctx context.Context) error {
	ns := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": t.Namespace, "labels": map[string]any{"name": t.Namespace}},
	}}
	live, err := t.Applier.Live(ctx, apply.EntryOf(ns))
	if err != nil || live != nil {
		return err
	}
	_, err = t.Applier.Make(ctx, ns, apply.Fresh)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
