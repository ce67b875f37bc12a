package explain

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// Cause is one step from an object to the root of how it is.
type Cause struct {
	// Object is whose state is told, and Role what it is to the one before.
	Object string
	Role   Role
	Field  string
	// Says is the state.
	Says string
}

// judgement is what the facts about one object come to.
type judgement struct {
	says string
	// next is the reference that is the reason; nil if the object is the root.
	next *Link
	// fine says that nothing is the matter.
	fine bool
}

// chain follows the reasons from an object to the root.
func chain(first *Node, now time.Time) (causes []Cause, nodes []*Node) {
	var via *Link
	for n := first; ; n = via.To {
		c := Cause{Object: name(n.Ref)}
		if via != nil {
			c.Role, c.Field = via.Role, via.Field
		}
		if at := indexOf(nodes, n); at >= 0 {
			c.Says = "is where this began: " + cycle(nodes[at:]) + " wait for each other, and none of them can become ready"
			return append(causes, c), nodes
		}
		j := judge(n, now)
		c.Says = j.says
		causes, nodes = append(causes, c), append(nodes, n)
		if j.next == nil || j.next.To == nil || len(causes) >= mostHops {
			if j.next != nil {
				causes[len(causes)-1].Says += fmt.Sprintf(" (%s is not followed: it is too far from here)", name(j.next.Ref))
			}
			return causes, nodes
		}
		via = j.next
	}
}

func indexOf(nodes []*Node, n *Node) int {
	for i, one := range nodes {
		if one == n {
			return i
		}
	}
	return -1
}

func cycle(nodes []*Node) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = name(n.Ref)
	}
	if len(names) == 1 {
		return names[0] + " and itself"
	}
	return strings.Join(names, ", ")
}

// judge says how an object is, and which of its references is the reason.
func judge(n *Node, now time.Time) judgement {
	switch {
	case n.Object == nil:
		return judgement{says: absence(n)}
	case isConfig(n.Ref.GroupKind):
		return judgement{says: "is there", fine: true}
	case !ours(n.Ref.GroupKind):
		return judgement{says: "is " + n.Health.String(), fine: n.Health.healthy()}
	case n.Foreign:
		return judgement{says: "is there, and this fluxd does not look after it: it is of another shard or namespace, or only just there"}
	case n.Object.GetDeletionTimestamp() != nil:
		return judgement{says: "is being deleted" + because(n)}
	case flag(n.Object, "spec", "suspend"):
		return judgement{says: "is suspended, so that nothing is done for it until spec.suspend is false"}
	case n.State != nil && !n.State.Held.IsZero():
		return judgement{says: "is held back until " + when(n.State.Held, now) + ": fluxd died more than once while it was being reconciled"}
	case isStatic(n.Object):
		return judgement{says: "is a description that needs no reconciling", fine: true}
	case isReady(n.Object):
		return content(n)
	}
	return unready(n)
}

// absence says why there is nothing to tell of an object.
func absence(n *Node) string {
	switch {
	case n.Problem != "":
		return "cannot be read: " + n.Problem
	case n.Withheld:
		return "you may not see this"
	}
	return "does not exist"
}

// because says what the Ready condition adds.
func because(n *Node) string {
	if ready := readyOf(n.Object); ready != nil && ready.Status != metav1.ConditionTrue {
		return ": " + oneLine(ready.Message)
	}
	return ""
}

// content judges an object that is ready: what it stands for may not be the newest.
func content(n *Node) judgement {
	says := "is ready"
	if r := revisionOf(n.Object); r != "" {
		says += " at " + r
	}
	for i := range n.Links {
		l := &n.Links[i]
		if l.Role != RoleSource || l.To == nil || l.To.Object == nil {
			if l.Role == RoleSource && l.To != nil && !l.To.Withheld {
				return judgement{says: says + ", and what is new cannot come", next: l}
			}
			continue
		}
		revision, _ := artifactOf(l.To.Object)
		applied := text(n.Object, "status", "lastAppliedRevision")
		switch {
		case applied != "" && revision != "" && applied != revision && n.Ref.Kind == api.KustomizationKind:
			return judgement{says: fmt.Sprintf("%s, and %s of its source is yet to be applied", says, revision)}
		case !isStatic(l.To.Object) && !isReady(l.To.Object):
			return judgement{says: says + ", and what is new does not come", next: l}
		case flag(l.To.Object, "spec", "suspend"):
			return judgement{says: says + ", and nothing new will come", next: l}
		}
	}
	return judgement{says: says, fine: true}
}

// unready judges an object that is not ready.
func unready(n *Node) judgement {
	ready := readyOf(n.Object)
	if ready == nil || outdated(ready, n.Object) || !observed(n.Object) && ready.Status == metav1.ConditionTrue {
		says := fmt.Sprintf("has not been reconciled yet at generation %d", n.Object.GetGeneration())
		return judgement{says: says, next: firstBroken(n, func(*Link) bool { return true })}
	}
	says := "is not ready: " + oneLine(ready.Message)
	if ready.Status == metav1.ConditionUnknown {
		says = "is under way: " + oneLine(ready.Message)
	}
	return judgement{says: says, next: culprit(n, ready)}
}

// culprit returns the reference that the reason of an object fits, nil if none does.
func culprit(n *Node, ready *metav1.Condition) *Link {
	if l := firstBroken(n, func(l *Link) bool { return mentions(ready.Message, l) }); l != nil {
		return l
	}
	roles := map[string][]Role{
		api.ReasonDependencyNotReady: {RoleDependency, RoleObject},
		api.ReasonArtifactFailed:     {RoleSource},
		api.ReasonSourceNotReady:     {RoleSource},
	}[ready.Reason]
	for _, role := range roles {
		if l := firstBroken(n, func(l *Link) bool { return l.Role == role }); l != nil {
			return l
		}
	}
	if len(n.Unhealthy) > 0 {
		return &n.Unhealthy[0]
	}
	return nil
}

// mentions says whether a message names what a reference points to.
func mentions(message string, l *Link) bool {
	if strings.Contains(message, l.Ref.Namespace+"/"+l.Ref.Name) {
		return true
	}
	return isConfig(l.Ref.GroupKind) && (strings.Contains(message, `"`+l.Ref.Name+`"`) || strings.Contains(message, "'"+l.Ref.Name+"'"))
}

// firstBroken returns the first reference of a kind that cannot be used as it is.
func firstBroken(n *Node, fits func(*Link) bool) *Link {
	for i := range n.Links {
		if l := &n.Links[i]; fits(l) && broken(n, l) {
			return l
		}
	}
	return nil
}

// broken says whether a reference is a reason to wait. What is not shown may be one.
func broken(n *Node, l *Link) bool {
	switch to := l.To; {
	case to == nil:
		return false
	case to.Withheld || to.Problem != "":
		return true
	case to.Object == nil:
		return !l.Optional
	case l.Role == RoleSource:
		revision, _ := artifactOf(to.Object)
		return !isStatic(to.Object) && (revision == "" || needsReady(n) && !isReady(to.Object))
	case l.Role == RoleDependency:
		return !isReady(to.Object) || behind(n, to)
	case l.Role == RoleObject:
		return !healthOf(to.Object).healthy()
	}
	return false
}

// needsReady says whether an object asks more of its source than to have something.
func needsReady(n *Node) bool {
	ready := readyOf(n.Object)
	return ready != nil && ready.Reason == api.ReasonSourceNotReady
}

// behind says whether a dependency has yet to apply what their common source has.
func behind(n, dependency *Node) bool {
	for _, own := range n.Links {
		for _, other := range dependency.Links {
			if own.Role == RoleSource && other.Role == RoleSource && own.Ref == other.Ref && own.To != nil && own.To.Object != nil {
				revision, _ := artifactOf(own.To.Object)
				applied := text(dependency.Object, "status", "lastAppliedRevision")
				return revision != "" && applied != revision && n.Ref.Kind == api.KustomizationKind
			}
		}
	}
	return false
}
