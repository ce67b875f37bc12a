package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// account tells what is known of one of our objects; it is empty for others.
func (e *Explainer) account(n *Node, now time.Time) Account {
	a := Account{Object: name(n.Ref)}
	if n.Object == nil || !ours(n.Ref.GroupKind) {
		return a
	}
	line := func(label, text string) {
		if text != "" {
			a.Lines = append(a.Lines, [2]string{label, text})
		}
	}
	line("status", condition(n, now))
	line("revision", revision(n))
	line("deletion", deletion(n, now))
	line("process", place(n, now))
	line("next run", e.next(n, now))
	line("schedule", durations(n.Object))
	for _, l := range n.Links {
		line(label(l.Role), seen(l, now))
	}
	for _, l := range n.Unhealthy {
		line("unhealthy", seen(l, now))
	}
	if n.Unseen > 0 {
		line("unhealthy", fmt.Sprintf("%d objects were not looked at", n.Unseen))
	}
	return a
}

func label(role Role) string {
	switch role {
	case RoleConfig:
		return "reads"
	case RoleObject:
		return "depends on"
	case RoleDependency:
		return "depends on"
	}
	return string(role)
}

// condition says what status says, and since when.
func condition(n *Node, now time.Time) string {
	ready := readyOf(n.Object)
	if ready == nil {
		return "says nothing yet"
	}
	text := fmt.Sprintf("Ready is %s, %s, since %s: %s", ready.Status, ready.Reason, when(ready.LastTransitionTime.Time, now), oneLine(ready.Message))
	if outdated(ready, n.Object) {
		text += fmt.Sprintf(" (of generation %d; the spec is at %d)", ready.ObservedGeneration, n.Object.GetGeneration())
	}
	return text
}

// revision says what the object stands for, and where its bytes are.
func revision(n *Node) string {
	r, _ := artifactOf(n.Object)
	if r == "" {
		r = revisionOf(n.Object)
		if attempted := text(n.Object, "status", "lastAttemptedRevision"); attempted != "" && attempted != r && r != "" {
			return fmt.Sprintf("%s is applied, %s was tried last", r, attempted)
		}
		if r != "" {
			return r + " is applied"
		}
		return ""
	}
	switch n.Bytes {
	case BytesInMemory:
		return r + ", in memory"
	case BytesCold:
		return r + ", known from status alone: its bytes are fetched when somebody reads them"
	}
	return r
}

func deletion(n *Node, now time.Time) string {
	at := n.Object.GetDeletionTimestamp()
	if at == nil {
		return ""
	}
	return fmt.Sprintf("asked for %s; held by the finalizers %s", when(at.Time, now), strings.Join(n.Object.GetFinalizers(), ", "))
}

// place says where the object stands in the process.
func place(n *Node, now time.Time) string {
	s := n.State
	if s == nil {
		return ""
	}
	text := "rests"
	switch {
	case s.Running && s.Queued:
		text = "runs, and once more after that"
	case s.Running:
		text = "runs"
	case s.Queued:
		text = "is queued behind others"
	}
	if !s.Since.IsZero() {
		text += " since " + when(s.Since, now)
	}
	if !s.Ended.IsZero() && s.Last != "" {
		text += fmt.Sprintf("; its last run ended %s, %s", when(s.Ended, now), s.Last)
	}
	if s.Failures > 0 {
		text += fmt.Sprintf("; failed runs in a row: %d", s.Failures)
	}
	if s.Cold {
		text += "; it waits for bytes of its source to come to memory"
	}
	return text
}

// next says when the object runs again, and what would have it run earlier.
func (e *Explainer) next(n *Node, now time.Time) string {
	s := n.State
	if s == nil {
		return ""
	}
	wakes := e.wakes(n)
	switch {
	case flag(n.Object, "spec", "suspend"):
		return "none while it is suspended"
	case s.Running || s.Queued:
		return "now"
	case s.Due.IsZero():
		return "at no set time, only when one of these changes: " + wakes
	case s.Due.Before(now):
		return "now"
	}
	why := ""
	if s.Failures > 0 && s.Last == "failed" {
		why = ", after a delay that grows with each failure"
		if text(n.Object, "spec", "retryInterval") != "" {
			why = ", after the retry interval, or a delay that grows with each failure"
		}
	}
	return fmt.Sprintf("%s%s, or at once when one of these changes: %s", when(s.Due, now), why, wakes)
}

// wakes lists what would have an object run. References that the spec does not show, such
// as keys that a flag names, are counted only.
func (e *Explainer) wakes(n *Node) string {
	all := []string{"its spec", "its annotation " + api.AnnotationReconcileRequest}
	known := make(map[reconcilers.Ref]bool)
	for _, l := range n.Links {
		known[l.Ref] = true
	}
	configs, others := false, 0
	for _, ref := range n.State.Reads {
		ref.Whole = false
		switch {
		case !known[ref]:
			others++
		case isConfig(ref.GroupKind):
			if !e.NoConfigs {
				all, configs = append(all, name(ref)), true
			}
		case !slices.Contains(all, name(ref)):
			all = append(all, name(ref))
		}
	}
	for _, l := range n.Links {
		if l.Role == RoleObject {
			all = append(all, name(l.Ref))
		}
	}
	if len(n.Unhealthy) > 0 {
		all = append(all, "the objects that it applied")
	}
	if others > 0 {
		all = append(all, fmt.Sprintf("other references (%d)", others))
	}
	text := strings.Join(all, ", ")
	if configs && e.ConfigLabel != "" {
		text += " (Secrets and ConfigMaps with the label " + e.ConfigLabel + ")"
	}
	return text
}

// seen says how an object is that another refers to.
func seen(l Link, now time.Time) string {
	if l.To == nil {
		return name(l.Ref) + " was not looked at"
	}
	text := name(l.Ref) + " " + judge(l.To, now).says
	switch {
	case l.Optional && l.To.Object == nil && !l.To.Withheld:
		text += ", and need not"
	case l.To.Object == nil:
	case l.Role == RoleSource && l.To.Bytes == BytesInMemory:
		text += ", in memory"
	case l.Role == RoleSource && l.To.Bytes == BytesCold:
		text += ", its bytes not in memory"
	}
	return text
}
