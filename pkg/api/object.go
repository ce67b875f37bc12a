package api

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is what the engine needs of every kind it drives.
//
// +kubebuilder:object:generate=false
type Object interface {
	metav1.Object
	runtime.Object

	// GetConditions returns the list in status, not a copy.
	GetConditions() []metav1.Condition
	SetConditions([]metav1.Condition)

	// GetObservedGeneration is the generation that status speaks of, or -1
	// before the first reconcile.
	GetObservedGeneration() int64
	SetObservedGeneration(int64)

	// GetLastHandledReconcileAt is the last value of [AnnotationReconcileRequest]
	// that was acted on.
	GetLastHandledReconcileAt() string
	SetLastHandledReconcileAt(string)

	// IsSuspended says that nothing but deletion may be done for the object.
	IsSuspended() bool

	// GetRequeueAfter is the time between two reconciles that went well. Zero
	// means that no timer wakes the object.
	GetRequeueAfter() time.Duration

	// GetRetryInterval is the time until a failed reconcile runs again. Zero
	// means exponential backoff.
	GetRetryInterval() time.Duration
}

// Source is an [Object] that publishes an artifact for others to read.
//
// +kubebuilder:object:generate=false
type Source interface {
	metav1.Object
	runtime.Object

	// GetArtifact returns the artifact in status, nil when there is none.
	GetArtifact() *Artifact
}
