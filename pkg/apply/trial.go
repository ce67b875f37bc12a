package apply

import (
	"cmp"
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// replacing is the action of an object that is deleted to be created again and is
// not gone yet. It is not reported.
const replacing Action = "replacing"

// trial is what is found out about one candidate before anything is written, and
// what came of writing it.
type trial struct {
	*step
	// action is empty until it is known.
	action Action
	// cleanup: what others left on the object is to be taken over first; fields are
	// the managed fields that the dry-run would leave.
	cleanup bool
	fields  []any
	// replace: the object is to be deleted first.
	replace bool
	// sent: the object has been written.
	sent bool
	// cuts is how often fields that the API server does not know were left out.
	cuts int
	// dry is the result of the dry-run, kept only where fields are ignored.
	dry      *unstructured.Unstructured
	warnings []string
	err      *ObjectError
}

// try finds out what to do about t. With alone it is the only candidate of its
// stage: a dry-run would then only say what the write itself says, because nothing
// else depends on whether it passes, so the write is tried at once. That takes an
// object which is known to differ and has nothing to be cleaned up or left alone.
func (r *run) try(ctx context.Context, t *trial, alone bool) {
	if t.err != nil {
		return
	}
	if t.served.namespaced && t.key.namespace == "" {
		t.err = namespaceError(t.entry)
		return
	}
	if alone && t.verdict == write {
		r.send(ctx, t, r.dryRunFailed)
		return
	}
	dry, err := r.applyObject(ctx, t, true)
	if err != nil {
		r.dryRunFailed(ctx, t, err)
		return
	}
	r.compare(ctx, t, dry)
}

// compare decides by the result of a dry-run (section 2.9, steps 2, 5 and 6).
func (r *run) compare(ctx context.Context, t *trial, dry *unstructured.Unstructured) {
	if dry.GetResourceVersion() == "" {
		t.action = Created
		return
	}
	r.recognize(ctx, t)
	live := t.rec.flags
	if !t.known || !t.here {
		// A forced apply changes only what we send, so the marks that others put on
		// an object nobody knew are in its result.
		live = r.reducer.marks(dry)
	}
	off := hands
	if r.plan.repair {
		off |= markNoRepair
	}
	if live&off != 0 || t.marks&markIfNotPresent != 0 {
		t.action, t.verdict = Skipped, hold
		return
	}
	t.cleanup = r.plan.client == nil && (live|t.marks)&markMerge == 0 && r.reducer.takeover.needed(dry)
	if !t.cleanup && r.equal(ctx, t, dry) {
		t.action = Unchanged
		r.store.settle(t.src, t.key, r.by(r.plan.Owner), t.want, t.rec.owned)
		return
	}
	t.action = Configured
	if t.cleanup {
		t.fields, _ = field(dry, "metadata", "managedFields").([]any)
	}
	if t.skip != nil {
		t.dry = dry
	}
}

// recognize brings what is known of the object up to date, once a dry-run has said
// that it exists. Where its kind is watched that costs nothing: an object without a
// record is one without our labels.
func (r *run) recognize(ctx context.Context, t *trial) {
	if t.known && t.here {
		return
	}
	r.store.await(ctx, []*source{t.src})
	// The answer to the dry-run had the whole object, so there is nothing left to hide.
	r.store.recall([]*step{t.step}, author{})
	if t.known {
		return
	}
	r.read(ctx, t.step)
}

// equal says whether a dry-run changed nothing that counts: labels, annotations and
// everything beside metadata and status. The record has the digest of the same
// parts of the live object. The dry-run tells the version of the object that it was
// made on; if the record is of another one, the object is read.
func (r *run) equal(ctx context.Context, t *trial, dry *unstructured.Unstructured) bool {
	if !t.known || !t.here {
		return false
	}
	content := r.reducer.hash.content(dry, t.skip)
	if content == t.rec.content {
		return true
	}
	if t.rec.version != parseVersion(dry.GetResourceVersion()) {
		r.read(ctx, t.step)
	}
	return t.here && content == t.rec.content
}

// applyObject sends the object of t. The API server need not look for fields that
// nobody knows or that come twice: an apply fails with the former, and what a map
// becomes has none of the latter.
func (r *run) applyObject(ctx context.Context, t *trial, dryRun bool) (*unstructured.Unstructured, error) {
	if r.plan.client != nil {
		return r.merge(ctx, t, dryRun)
	}
	o := metav1.PatchOptions{FieldManager: r.cfg.Manager, FieldValidation: cmp.Or(r.validation(), metav1.FieldValidationIgnore), Force: new(true)}
	if dryRun {
		o.DryRun = []string{metav1.DryRunAll}
	}
	for {
		data, err := json.Marshal(t.obj.Object)
		if err != nil {
			return nil, err
		}
		obj, err := r.resource(t.served, t.key).Patch(ctx, t.key.name, types.ApplyPatchType, data, o)
		if err == nil || r.cfg.Strict || !t.cutUndeclared(err) {
			return obj, err
		}
	}
}

// done says that the action of t is a fact.
func (t *trial) done() bool {
	switch t.action {
	case Unchanged, Skipped:
		return true
	case Created, Configured:
		return t.sent
	}
	return false
}

// stageError collects the errors of trials. If ctx has ended, not all of them were
// made, and that is the error.
func stageError(ctx context.Context, trials []*trial) error {
	var errs []*ObjectError
	written := false
	for _, t := range trials {
		if t.err != nil {
			errs = append(errs, t.err)
		}
		written = written || t.sent
	}
	if len(errs) > 0 {
		return newStageError(errs, written)
	}
	return ctx.Err()
}
