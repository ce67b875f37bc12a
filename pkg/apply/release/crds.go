package release

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply"
)

// CRDs are the files in the crds folders of a chart and of its enabled subcharts.
type CRDs struct {
	// Manifests are their contents.
	Manifests []string
	Policy    v2.CRDsPolicy // empty means Create
	Wait      Wait
	// Labels are set on each.
	Labels map[string]string
}

// ErrPolicy says that there is no such policy for definitions.
var ErrPolicy = errors.New("invalid policy for CRDs")

// longestEstablish is how long definitions may take to be established.
const longestEstablish = time.Minute

// definitions is what this process has applied for an owner before it had to wait.
type definitions struct {
	sum     uint64 // of what was to be applied
	since   time.Time
	entries apply.Inventory
}

// ApplyCRDs creates, or with the policy CreateReplace also updates, the definitions
// of a chart, and waits for a minute until they are established. It is to be called
// before Install and Upgrade, until it is done. It deletes nothing, and writes no
// revision. Objects of other kinds are left out, with a warning. Definitions are always
// applied on the server side, one after the other, so that one is in memory at a time.
func (r *Releaser) ApplyCRDs(ctx context.Context, t Target, c CRDs) (Step, error) {
	step := Step{Began: r.cfg.Now()}
	switch c.Policy {
	case v2.CRDsSkip:
		step.Done = true
		return step, nil
	case "", v2.CRDsCreate, v2.CRDsCreateReplace:
	default:
		return step, fmt.Errorf("failed to apply CustomResourceDefinitions: %q: %w", c.Policy, ErrPolicy)
	}
	d, ok := r.memo.definitions(t.Owner)
	if sum := c.sum(r.memo.seed); !ok || d.sum != sum {
		d = definitions{sum: sum, since: r.cfg.Now()}
		if err := r.define(ctx, t, c, &d, &step); err != nil {
			return step, fmt.Errorf("failed to apply CustomResourceDefinitions: %w", err)
		}
		r.memo.keepDefinitions(t.Owner, d)
	}
	err := r.established(ctx, t, c, d, &step)
	if err != nil || step.Done {
		r.memo.dropDefinitions(t.Owner)
	}
	if err != nil {
		return step, fmt.Errorf("failed to apply CustomResourceDefinitions: %w", err)
	}
	return step, nil
}

// sum tells what is to be applied from anything else, in this process.
func (c CRDs) sum(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = fmt.Fprintf(&h, "%s %q", c.Policy, c.Labels) // never fails
	for _, m := range c.Manifests {
		_, _ = h.WriteString(m)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// define applies the definitions that are to be applied.
func (r *Releaser) define(ctx context.Context, t Target, c CRDs, d *definitions, step *Step) error {
	for _, m := range c.Manifests {
		err := eachObject(m, func(obj *unstructured.Unstructured) error {
			e := apply.EntryOf(obj)
			if e.Group != crdGroup || e.Kind != crdKind {
				step.Warnings = append(step.Warnings, e.String()+" is in a crds folder and no CustomResourceDefinition; it is left out")
				return nil
			}
			labels := obj.GetLabels()
			if labels == nil {
				labels = map[string]string{}
			}
			for k, v := range c.Labels {
				labels[k] = v
			}
			obj.SetLabels(labels)
			return r.defineOne(ctx, t, c.Policy, obj, d, step)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Releaser) defineOne(ctx context.Context, t Target, p v2.CRDsPolicy, obj *unstructured.Unstructured, d *definitions, step *Step) error {
	e := apply.EntryOf(obj)
	if p != v2.CRDsCreateReplace {
		live, err := t.Applier.Live(ctx, e)
		if err != nil {
			return err
		}
		if live != nil && r.cfg.Now().Sub(live.GetCreationTimestamp().Time) > longestEstablish {
			return nil // somebody else's matter, or an old one
		}
		if live != nil {
			d.entries = append(d.entries, e)
			return nil
		}
	}
	if _, err := t.Applier.Make(ctx, obj, apply.Forced); err != nil {
		return err
	}
	d.entries = append(d.entries, e)
	step.Logs = append(step.Logs, Log{r.cfg.Now(), e.String() + " applied"})
	return nil
}

// established waits until the definitions are.
func (r *Releaser) established(ctx context.Context, t Target, c CRDs, d definitions, step *Step) error {
	if c.Wait == WaitHooks || len(d.entries) == 0 {
		step.Done = true
		return nil
	}
	t.Applier.Expect(t.Owner, d.entries, nil)
	report, err := t.Applier.Health(ctx, t.Owner, d.entries)
	if err != nil {
		return err
	}
	deadline := d.since.Add(longestEstablish)
	left := deadline.Sub(r.cfg.Now())
	switch {
	case report.Healthy():
		step.Done = true
	case left <= 0:
		return fmt.Errorf("timeout waiting for: [%s]", findings(report.Findings))
	default:
		after := left
		if report.Recheck > 0 {
			after = min(after, report.Recheck)
		}
		w := &Waiting{What: findings(report.Findings), Deadline: deadline, After: after}
		for _, f := range report.Findings {
			w.For = append(w.For, f.Entry)
		}
		step.Waiting = w
	}
	return nil
}

// eachObject calls f for the objects of a manifest, those of lists one by one. Only one
// document is in memory at a time.
func eachObject(manifest string, f func(*unstructured.Unstructured) error) error {
	docs := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := yaml.YAMLToJSON(doc)
		if err != nil {
			return err
		}
		if string(data) == "null" || string(data) == "{}" {
			continue
		}
		obj := &unstructured.Unstructured{}
		if err := obj.UnmarshalJSON(data); err != nil {
			return err
		}
		objects, err := flatten(nil, obj)
		if err != nil {
			return err
		}
		for _, one := range objects {
			if err := f(one); err != nil {
				return err
			}
		}
	}
}
