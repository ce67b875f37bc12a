package release

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Labels of a Secret that are Helm's; all others are the user's, and go over to the
// next revision.
const (
	labelName     = "name"
	labelOwner    = "owner"
	labelStatus   = "status"
	labelVersion  = "version"
	labelCreated  = "createdAt"
	labelModified = "modifiedAt"

	ownerHelm = "helm"
)

// systemLabels returns the keys of Helm's labels.
func systemLabels() []string {
	return []string{labelName, labelOwner, labelStatus, labelVersion, labelCreated, labelModified}
}

// SecretName returns the name of the Secret of a revision.
func SecretName(release string, version int) string {
	return "sh.helm.release.v1." + release + ".v" + strconv.Itoa(version)
}

// head is a Secret of a revision without its data.
type head struct {
	meta   metav1.PartialObjectMetadata
	number int // of the revision
	mark   *mark
}

func headOf(meta metav1.PartialObjectMetadata) (head, bool) {
	meta.ManagedFields = nil
	at := strings.LastIndex(meta.Name, ".v")
	if at < 0 {
		return head{}, false
	}
	version, err := strconv.Atoi(meta.Name[at+2:])
	return head{meta, version, readMark(meta.Annotations)}, err == nil
}

// status is that of the label, which is that of the revision.
func (h head) status() Status { return Status(h.meta.Labels[labelStatus]) }

// revision is a stored revision, as long as a call needs it.
type revision struct {
	head
	*content
	data []byte // as it is stored
}

// heads returns the revisions of a release, oldest first.
func (t Target) heads(ctx context.Context) ([]head, error) {
	selector := labels.Set{labelName: t.Name, labelOwner: ownerHelm}.AsSelector().String()
	items, err := t.Secrets.List(ctx, t.Storage, selector)
	if err != nil {
		return nil, fmt.Errorf("list the revisions of release %s/%s: %w", t.Storage, t.Name, err)
	}
	var heads []head
	for _, item := range items {
		if h, ok := headOf(item); ok && item.Name == SecretName(t.Name, h.number) {
			heads = append(heads, h)
		}
	}
	slices.SortFunc(heads, func(a, b head) int { return a.number - b.number })
	return heads, nil
}

// present returns the revisions of a release and the last of them. That there are none
// is the error none.
func (t Target) present(ctx context.Context, none error) (heads []head, last head, err error) {
	heads, err = t.heads(ctx)
	if err != nil {
		return nil, head{}, err
	}
	if len(heads) == 0 {
		return nil, head{}, none
	}
	return heads, heads[len(heads)-1], nil
}

// read returns a stored revision. One that is not there is nil.
func (t Target) read(ctx context.Context, version int) (*revision, error) {
	h, data, err := t.fetch(ctx, version)
	if err != nil || data == nil {
		return nil, err
	}
	c, err := decode(data)
	if err == nil && (c.name != t.Name || c.version != version) {
		err = fmt.Errorf("%w: it says that it is %s, version %d", ErrCorrupt, c.name, c.version)
	}
	if err != nil {
		return nil, fmt.Errorf("read secret %s/%s: %w", t.Storage, SecretName(t.Name, version), err)
	}
	return &revision{h, c, data}, nil
}

// fetch returns the Secret of a revision; without data there is none.
func (t Target) fetch(ctx context.Context, version int) (head, []byte, error) {
	name := SecretName(t.Name, version)
	meta, data, err := t.Secrets.Get(ctx, t.Storage, name)
	switch {
	case apierrors.IsNotFound(err):
		return head{}, nil, nil
	case err != nil:
		return head{}, nil, fmt.Errorf("read secret %s/%s: %w", t.Storage, name, err)
	}
	h, _ := headOf(*meta)
	h.number = version
	text := data["release"]
	if text == nil {
		text = []byte{}
	}
	return h, text, nil
}

// create stores a new revision with its mark. Only one can.
func (t Target) create(ctx context.Context, rev *revision, now time.Time, text func(io.Writer) error) error {
	id := identity{
		Name: SecretName(t.Name, rev.version), Namespace: t.Storage,
		Labels: t.labels(rev, labelCreated, now), Annotations: map[string]string{},
	}
	mark, err := rev.mark.text()
	if err != nil {
		return err
	}
	id.Annotations[annotation] = mark
	doc, err := document(id, text)
	if err != nil {
		return err
	}
	meta, err := t.Secrets.Create(ctx, t.Storage, doc)
	if err != nil {
		return fmt.Errorf("create secret %s/%s: %w", t.Storage, id.Name, err)
	}
	rev.head, _ = headOf(*meta)
	return nil
}

// update stores a revision again, with its mark, if nobody else has since it was read.
func (t Target) update(ctx context.Context, rev *revision, now time.Time) error {
	id := identity{
		Name: rev.meta.Name, Namespace: t.Storage, Labels: t.labels(rev, labelModified, now),
		Annotations: maps.Clone(rev.meta.Annotations), UID: rev.meta.UID, ResourceVersion: rev.meta.ResourceVersion,
		Finalizers: rev.meta.Finalizers, OwnerReferences: rev.meta.OwnerReferences,
	}
	delete(id.Annotations, annotation)
	if rev.mark != nil {
		text, err := rev.mark.text()
		if err != nil {
			return err
		}
		if id.Annotations == nil {
			id.Annotations = map[string]string{}
		}
		id.Annotations[annotation] = text
	}
	doc, err := document(id, func(w io.Writer) error { return rev.rewrite(w, rev.data) })
	if err != nil {
		return err
	}
	meta, err := t.Secrets.Update(ctx, t.Storage, id.Name, doc)
	if err != nil {
		return fmt.Errorf("update secret %s/%s: %w", t.Storage, id.Name, err)
	}
	rev.head, _ = headOf(*meta)
	return nil
}

// labels are those of the Secret of a revision: what the user has put on it or on
// the one before, and Helm's.
func (t Target) labels(rev *revision, stamp string, now time.Time) map[string]string {
	l := userLabels(rev.meta.Labels)
	l[labelName], l[labelOwner] = t.Name, ownerHelm
	l[labelStatus], l[labelVersion] = string(rev.info.Status), strconv.Itoa(rev.version)
	l[stamp] = strconv.FormatInt(now.Unix(), 10)
	return l
}

func userLabels(of map[string]string) map[string]string {
	l := map[string]string{}
	for k, v := range of {
		if !slices.Contains(systemLabels(), k) {
			l[k] = v
		}
	}
	return l
}

// note writes the mark of a revision, if nobody else has written it since it was read.
// Who may update Secrets and not patch them writes all of it.
func (t Target) note(ctx context.Context, h *head, m *mark, now time.Time) error {
	text, err := m.text()
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": h.meta.UID, "resourceVersion": h.meta.ResourceVersion,
		"annotations": map[string]any{annotation: text},
	}})
	if err != nil {
		return err
	}
	meta, err := t.Secrets.Patch(ctx, t.Storage, h.meta.Name, patch)
	if apierrors.IsForbidden(err) {
		return t.noteWhole(ctx, h, m, now)
	}
	if err != nil {
		return fmt.Errorf("mark secret %s/%s: %w", t.Storage, h.meta.Name, err)
	}
	*h, _ = headOf(*meta)
	return nil
}

func (t Target) noteWhole(ctx context.Context, h *head, m *mark, now time.Time) error {
	rev, err := t.read(ctx, h.number)
	if err != nil {
		return err
	}
	if rev == nil || rev.meta.ResourceVersion != h.meta.ResourceVersion {
		return fmt.Errorf("mark secret %s/%s: %w", t.Storage, h.meta.Name, ErrMoved)
	}
	rev.mark = m
	if err := t.update(ctx, rev, now); err != nil {
		return err
	}
	*h = rev.head
	return nil
}

// remove deletes the Secret of a revision, if it is still the one.
func (t Target) remove(ctx context.Context, h head) error {
	err := t.Secrets.Delete(ctx, t.Storage, h.meta.Name, metav1.Preconditions{UID: &h.meta.UID})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete secret %s/%s: %w", t.Storage, h.meta.Name, err)
	}
	return nil
}

// prune makes room for one more revision, as Helm does: the oldest go, but never the
// last one that is deployed.
func (t Target) prune(ctx context.Context, heads []head, most int) error {
	if most <= 0 {
		return nil
	}
	deployed := -1
	for i, h := range heads {
		if h.status() == statusDeployed {
			deployed = i
		}
	}
	excess := len(heads) - (most - 1)
	for i, h := range heads {
		if excess <= 0 {
			break
		}
		if i == deployed {
			continue
		}
		if err := t.remove(ctx, h); err != nil {
			return err
		}
		excess--
	}
	return nil
}
