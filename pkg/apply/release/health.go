package release

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/apply"
)

// Health is how the objects of a release are judged. nil is the general rules.
type Health struct {
	custom map[schema.GroupKind]apply.Rule

	hook       lazy // of hooks
	jobs       lazy // of objects, Jobs until they are complete
	start      lazy // of objects, Jobs until they have started
	helm3      lazy // those of Helm 3, Jobs until they are complete
	helm3Start lazy
}

// lazy are rules that are made when they are first needed: two of them are the same
// only if they are one value.
type lazy struct {
	once  sync.Once
	rules *apply.Rules
}

func (l *lazy) get(of ...map[schema.GroupKind]apply.Rule) *apply.Rules {
	l.once.Do(func() {
		all := map[schema.GroupKind]apply.Rule{}
		for _, m := range of {
			maps.Copy(all, m)
		}
		l.rules = apply.NewRules(all)
	})
	return l.rules
}

// general is what a nil Health stands for.
var general = &Health{}

// NewHealth returns the general rules with custom ones before them; a rule under an
// empty Kind is for every kind of its group that has none of its own.
func NewHealth(custom map[schema.GroupKind]apply.Rule) *Health { return &Health{custom: custom} }

func (h *Health) orGeneral() *Health {
	if h == nil {
		return general
	}
	return h
}

// hooks are the rules for hooks: a Job has to be complete, a Pod to have ended.
func (h *Health) hooks() *apply.Rules {
	h = h.orGeneral()
	return h.hook.get(map[schema.GroupKind]apply.Rule{kindJob: completeJob, kindPod: endedPod}, h.custom)
}

// awaits says whether a hook of this kind has anything to wait for.
func (h *Health) awaits(e apply.Entry) bool {
	h = h.orGeneral()
	gk := e.GroupKind()
	_, one := h.custom[gk]
	_, all := h.custom[schema.GroupKind{Group: gk.Group}]
	return gk == kindJob || gk == kindPod || one || all
}

// objects are the rules for objects.
func (h *Health) objects(w Wait, jobs bool) *apply.Rules {
	h = h.orGeneral()
	switch {
	case w == WaitLegacy && jobs:
		return h.helm3.get(legacyRules(), map[schema.GroupKind]apply.Rule{kindJob: completeJob})
	case w == WaitLegacy:
		return h.helm3Start.get(legacyRules())
	case jobs:
		return h.jobs.get(map[schema.GroupKind]apply.Rule{kindDeployment: unlessPaused}, h.custom)
	}
	return h.start.get(map[schema.GroupKind]apply.Rule{kindDeployment: unlessPaused, kindJob: generally}, h.custom)
}

var (
	kindJob        = schema.GroupKind{Group: "batch", Kind: "Job"}
	kindPod        = schema.GroupKind{Kind: "Pod"}
	kindDeployment = schema.GroupKind{Group: "apps", Kind: "Deployment"}
)

// generally judges by the general rules, for which a Job is current once it has
// started.
func generally(obj map[string]any) (status.Status, string, error) {
	r, err := status.Compute(&unstructured.Unstructured{Object: obj})
	if err != nil {
		return status.UnknownStatus, "", err
	}
	return r.Status, r.Message, nil
}

// unlessPaused judges a Deployment, one that is paused as current.
func unlessPaused(obj map[string]any) (status.Status, string, error) {
	if paused, _, _ := unstructured.NestedBool(obj, "spec", "paused"); paused {
		return status.CurrentStatus, "", nil
	}
	return generally(obj)
}

// completeJob judges a Job as current once it is complete.
func completeJob(obj map[string]any) (status.Status, string, error) {
	conditions, _, _ := unstructured.NestedSlice(obj, "status", "conditions")
	for _, c := range conditions {
		c, _ := c.(map[string]any)
		if c["status"] != "True" {
			continue
		}
		switch c["type"] {
		case "Complete", "Suspended":
			return status.CurrentStatus, "", nil
		case "Failed":
			n, _, _ := unstructured.NestedInt64(obj, "status", "failed")
			why := fmt.Sprintf("Job Failed. failed: %d", n)
			if m, _ := c["message"].(string); m != "" {
				why += " (" + m + ")"
			}
			return status.FailedStatus, why, nil
		}
	}
	return status.InProgressStatus, "Job in progress", nil
}

// endedPod judges a Pod as current once it has succeeded.
func endedPod(obj map[string]any) (status.Status, string, error) {
	phase, _, _ := unstructured.NestedString(obj, "status", "phase")
	switch phase {
	case "Succeeded":
		return status.CurrentStatus, "", nil
	case "Failed":
		why, _, _ := unstructured.NestedString(obj, "status", "message")
		return status.FailedStatus, strings.TrimSpace("the Pod has failed " + why), nil
	}
	return status.InProgressStatus, "the Pod is " + either(phase == "", "new", strings.ToLower(phase)), nil
}

// vanished says whether a finding is that a Job is gone which deletes itself when it
// is done.
func vanished(f apply.Finding, objects []*unstructured.Unstructured) bool {
	if f.Status != status.NotFoundStatus || f.GroupKind() != kindJob {
		return false
	}
	for _, obj := range objects {
		if _, ttl, _ := unstructured.NestedFieldNoCopy(obj.Object, "spec", "ttlSecondsAfterFinished"); ttl && apply.EntryOf(obj) == f.Entry {
			return true
		}
	}
	return false
}

// findings is a list of objects that are not ready, for people.
func findings(list []apply.Finding) string {
	texts := make([]string, len(list))
	for i, f := range list {
		texts[i] = f.String()
	}
	return strings.Join(texts, ", ")
}
