package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/conditions"
	"github.com/fluxd/fluxd/pkg/kube"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conflictTries bounds the tries of a status write that others race with.
const conflictTries = 5

// save writes the difference between the stored status and that of work, if
// there is one, and says so. On success base is the object as stored now.
func (r *run) save(ctx context.Context, work api.Object) (changed bool, err error) {
	for range conflictTries {
		patch, err := statusPatch(r.base, work)
		if err != nil || patch == nil {
			return false, err
		}
		stored, err := r.engine.Writer.PatchStatus(ctx, r.plugin.Options().Manager, r.target(r.base), patch)
		if err == nil {
			r.remember(stored)
			return true, nil
		}
		if !apierrors.IsConflict(err) {
			return false, fmt.Errorf("patch the status: %w", err)
		}
		if err := r.rebase(ctx, work); err != nil {
			return false, err
		}
	}
	return false, apierrors.NewConflict(api.SourceV1.WithResource(r.key.Kind).GroupResource(), r.key.Name,
		fmt.Errorf("the object changed %d times while its status was written", conflictTries))
}

// rebase reads the object live after a conflict and keeps the conditions that
// others have set in the meantime. An object of an earlier version is one of a cluster that
// was restored: what work says was computed from what never was, such as an inventory
// without what has come back, and must not be kept.
func (r *run) rebase(ctx context.Context, work api.Object) error {
	live, err := r.engine.Writer.Get(ctx, r.target(r.base))
	if err != nil {
		return fmt.Errorf("read the object after a conflict: %w", err)
	}
	if live == nil || live.GetUID() != r.base.GetUID() {
		return apierrors.NewNotFound(api.SourceV1.WithResource(r.key.Kind).GroupResource(), r.key.Name)
	}
	if older(live, r.base) {
		return apierrors.NewConflict(api.SourceV1.WithResource(r.key.Kind).GroupResource(), r.key.Name,
			errors.New("the cluster was restored to an earlier state while the object ran"))
	}
	work.SetConditions(adopt(work.GetConditions(), r.base.GetConditions(), live.GetConditions()))
	r.base = live
	return nil
}

// adopt returns ours with those live conditions that were not there before and
// that we do not set: somebody else's. Those that the engine sets never are.
func adopt(ours, before, live []metav1.Condition) []metav1.Condition {
	own := []string{api.ConditionReady, api.ConditionReconciling, api.ConditionStalled}
	for _, c := range live {
		if !slices.Contains(own, c.Type) && !conditions.Has(ours, c.Type) && !conditions.Has(before, c.Type) {
			ours = append(ours, c)
		}
	}
	return conditions.Sort(ours)
}

// reread has the next run start from the object as it is live: what a write was based on
// was not. The cache may be far behind, and nobody knows whether it catches up.
func (r *run) reread(ctx context.Context) {
	if r.base == nil {
		return
	}
	live, err := r.engine.Writer.Get(ctx, r.target(r.base))
	if err == nil && live != nil && live.GetUID() == r.base.GetUID() {
		r.remember(live)
	}
}

// remember keeps what the server stored until the cache has caught up.
func (r *run) remember(stored api.Object) {
	if stored == nil {
		return
	}
	r.base = stored
	r.engine.table.with(r.key, func(s *state) { s.latest = stored })
}

func (r *run) target(obj metav1.Object) kube.Target {
	return kube.Target{
		Kind: r.key.GroupKind, Namespace: r.key.Namespace, Name: r.key.Name,
		UID: obj.GetUID(), ResourceVersion: obj.GetResourceVersion(),
	}
}

func (r *run) patchFinalizers(ctx context.Context, finalizers []string) error {
	stored, err := r.engine.Writer.PatchFinalizers(ctx, r.plugin.Options().Manager, r.target(r.base), finalizers)
	if err != nil {
		return err
	}
	r.remember(stored)
	return nil
}

// statusPatch returns the JSON merge patch (RFC 7386) of the status that turns
// before into after, nil if they are the same.
func statusPatch(before, after api.Object) (json.RawMessage, error) {
	a, err := statusOf(before)
	if err != nil {
		return nil, err
	}
	b, err := statusOf(after)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(a, b) {
		return nil, nil
	}
	patch, err := jsonpatch.CreateMergePatch(a, b)
	if err != nil {
		return nil, fmt.Errorf("compare the status: %w", err)
	}
	if string(patch) == "{}" {
		return nil, nil
	}
	return patch, nil
}

func statusOf(obj api.Object) (json.RawMessage, error) {
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("encode the status: %w", err)
	}
	var whole struct {
		Status json.RawMessage `json:"status"`
	}
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, fmt.Errorf("encode the status: %w", err)
	}
	if whole.Status == nil {
		return json.RawMessage("{}"), nil
	}
	return whole.Status, nil
}
