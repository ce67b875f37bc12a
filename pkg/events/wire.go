package events

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The types of this file are what goes over the wire, field by field in the order
// of the upstream types, so that those need not be linked.

// objectReference is a core/v1 ObjectReference.
type objectReference struct {
	Kind            string    `json:"kind,omitempty"`
	Namespace       string    `json:"namespace,omitempty"`
	Name            string    `json:"name,omitempty"`
	UID             types.UID `json:"uid,omitempty"`
	APIVersion      string    `json:"apiVersion,omitempty"`
	ResourceVersion string    `json:"resourceVersion,omitempty"`
}

func reference(s Subject) objectReference {
	return objectReference{
		Kind: s.Kind, Namespace: s.Namespace, Name: s.Name, UID: s.UID,
		APIVersion: s.GroupVersion().String(), ResourceVersion: s.ResourceVersion,
	}
}

// kubeEvent is a core/v1 Event: the form that kubectl and flux read and that
// counts its repetitions.
type kubeEvent struct {
	APIVersion     string          `json:"apiVersion"`
	Kind           string          `json:"kind"`
	Metadata       eventMetadata   `json:"metadata"`
	InvolvedObject objectReference `json:"involvedObject"`
	Reason         string          `json:"reason"`
	Message        string          `json:"message"`
	Source         eventSource     `json:"source"`
	FirstTimestamp metav1.Time     `json:"firstTimestamp"`
	LastTimestamp  metav1.Time     `json:"lastTimestamp"`
	Count          int             `json:"count"`
	Type           string          `json:"type"`
	Controller     string          `json:"reportingComponent"`
	Instance       string          `json:"reportingInstance"`
}

type eventMetadata struct {
	Name        string            `json:"name,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type eventSource struct {
	Component string `json:"component"`
}

func newEvent(f Fact, name, instance string) kubeEvent {
	return kubeEvent{
		APIVersion: "v1", Kind: "Event",
		Metadata:       eventMetadata{Name: name, Namespace: eventNamespace(f.Subject), Annotations: f.Annotations},
		InvolvedObject: reference(f.Subject),
		Reason:         f.Reason,
		Message:        clip(f.Message, maxEventMessage),
		Source:         eventSource{Component: f.Controller},
		FirstTimestamp: seconds(f.Time),
		LastTimestamp:  seconds(f.Time),
		Count:          1,
		Type:           eventType(f.Severity),
		Controller:     f.Controller,
		Instance:       instance,
	}
}

// eventPatch is the merge patch of an event that happened again.
type eventPatch struct {
	Metadata       eventMetadata   `json:"metadata"`
	InvolvedObject resourceVersion `json:"involvedObject"`
	LastTimestamp  metav1.Time     `json:"lastTimestamp"`
	Count          int             `json:"count"`
}

type resourceVersion struct {
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

func repetition(f Fact, count int) eventPatch {
	return eventPatch{
		Metadata:       eventMetadata{Annotations: f.Annotations},
		InvolvedObject: resourceVersion{f.Subject.ResourceVersion},
		LastTimestamp:  seconds(f.Time),
		Count:          count,
	}
}

// eventNamespace is where the event of an object belongs; the API server insists.
func eventNamespace(s Subject) string {
	if s.Namespace == "" {
		return metav1.NamespaceDefault
	}
	return s.Namespace
}

func eventType(s Severity) string {
	if s == Error {
		return "Warning"
	}
	return "Normal"
}

// notification is a Flux Event v1beta1.
type notification struct {
	InvolvedObject objectReference   `json:"involvedObject"`
	Severity       Severity          `json:"severity"`
	Timestamp      metav1.Time       `json:"timestamp"`
	Message        string            `json:"message"`
	Reason         string            `json:"reason"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	Controller     string            `json:"reportingController"`
	Instance       string            `json:"reportingInstance,omitempty"`
}

func newNotification(f Fact, instance string) notification {
	return notification{
		InvolvedObject: reference(f.Subject),
		Severity:       f.Severity,
		Timestamp:      seconds(f.Time),
		Message:        clip(f.Message, maxNotification),
		Reason:         f.Reason,
		Metadata:       f.Annotations,
		Controller:     f.Controller,
		Instance:       instance,
	}
}

func seconds(t time.Time) metav1.Time { return metav1.NewTime(t.UTC().Truncate(time.Second)) }
