package explain

import (
	"fmt"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Health is how an object does.
type Health struct {
	// Status is one of kstatus, or Ready, Not ready and Suspended for our kinds.
	Status  string
	Message string
}

// String returns both.
func (h Health) String() string {
	if h.Message == "" {
		return h.Status
	}
	return h.Status + ": " + h.Message
}

// healthOf judges an object. For ours it is what their Ready condition says.
func healthOf(obj *unstructured.Unstructured) Health {
	if !ours(obj.GroupVersionKind().GroupKind()) {
		r, err := status.Compute(obj)
		if err != nil {
			return Health{string(status.UnknownStatus), err.Error()}
		}
		if r.Status == status.CurrentStatus {
			return Health{Status: string(r.Status)}
		}
		return Health{string(r.Status), oneLine(r.Message)}
	}
	ready := readyOf(obj)
	switch {
	case obj.GetDeletionTimestamp() != nil:
		return Health{Status: string(status.TerminatingStatus)}
	case flag(obj, "spec", "suspend"):
		return Health{Status: "Suspended"}
	case isStatic(obj):
		return Health{Status: "Current"}
	case ready == nil:
		return Health{"Not ready", "not reconciled yet"}
	case isReady(obj):
		return Health{Status: "Ready"}
	case ready.Status == metav1.ConditionTrue:
		return Health{"Not ready", fmt.Sprintf("generation %d is not reconciled yet", obj.GetGeneration())}
	}
	return Health{"Not ready", oneLine(ready.Message)}
}

// healthy says whether nobody has to wait for an object.
func (h Health) healthy() bool {
	return h.Status == string(status.CurrentStatus) || h.Status == "Ready"
}

// longestMessage is how much of a message is shown.
const longestMessage = 1000

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > longestMessage {
		s = strings.ToValidUTF8(s[:longestMessage], "") + "…"
	}
	return s
}
