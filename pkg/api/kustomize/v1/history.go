package v1

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MaxHistory is the number of outcomes that a [History] keeps.
const MaxHistory = 5

// History lists distinct outcomes of reconciling, newest first.
type History []Snapshot

// Snapshot is one outcome: what was built, and how applying it ended.
type Snapshot struct {
	// Digest of the manifests as they were built, as <algorithm>:<hex>.
	// +required
	Digest string `json:"digest"`

	// FirstReconciled is when these manifests first ended this way.
	// +required
	FirstReconciled metav1.Time `json:"firstReconciled"`

	// LastReconciled is when these manifests last ended this way.
	// +required
	LastReconciled metav1.Time `json:"lastReconciled"`

	// LastReconciledDuration is how long that last time took.
	// +kubebuilder:validation:Type=string
	// +required
	LastReconciledDuration metav1.Duration `json:"lastReconciledDuration"`

	// LastReconciledStatus is how it ended: a reason of the Ready condition.
	// +required
	LastReconciledStatus string `json:"lastReconciledStatus"`

	// TotalReconciliations counts how often these manifests ended this way.
	// +required
	TotalReconciliations int64 `json:"totalReconciliations"`

	// Metadata names the revision, and the revision of origin where there is one.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Outcome is what [History.With] adds.
//
// +kubebuilder:object:generate=false
type Outcome struct {
	Digest   string
	Status   string // a reason of the Ready condition
	At       time.Time
	Took     time.Duration
	Metadata map[string]string
}

// With returns h with o at its front. An entry with the same digest and status is
// brought up to date and moved there; otherwise a new one is added and the oldest
// beyond [MaxHistory] are dropped. h is not changed.
func (h History) With(o Outcome) History {
	now := metav1.NewTime(o.At)
	s := Snapshot{Digest: o.Digest, LastReconciledStatus: o.Status, FirstReconciled: now}
	rest := slices.Clone(h)
	if i := slices.IndexFunc(rest, s.sameOutcome); i >= 0 {
		s = rest[i]
		rest = slices.Delete(rest, i, i+1)
	}
	s.LastReconciled = now
	s.LastReconciledDuration = metav1.Duration{Duration: o.Took}
	s.Metadata = o.Metadata
	s.TotalReconciliations++
	h = append(History{s}, rest...)
	return h[:min(len(h), MaxHistory)]
}

func (s Snapshot) sameOutcome(t Snapshot) bool {
	return s.Digest == t.Digest && s.LastReconciledStatus == t.LastReconciledStatus
}
