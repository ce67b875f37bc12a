package api

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ReconcileStatus is the part of status that every reconciled kind has.
type ReconcileStatus struct {
	// ObservedGeneration is the metadata.generation that the rest of status
	// speaks of. A smaller number than metadata.generation means that the latest
	// edit of spec has not been carried out yet; -1 means that nothing has been.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions tell how the object fares. Ready is the summary; Reconciling
	// and Stalled, present only while true, say whether more is to come or an
	// edit is needed.
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// LastHandledReconcileAt repeats the value of the annotation
	// reconcile.fluxcd.io/requestedAt that was acted on last. A request is done
	// once the two are equal.
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}
