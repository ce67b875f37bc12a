package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// ExternalArtifactSpec says who provides the artifact.
type ExternalArtifactSpec struct {
	// SourceRef names the object that the artifact was made from, for people to
	// find. It may be of any kind and group.
	// +optional
	SourceRef *api.NamespacedObjectKindReference `json:"sourceRef,omitempty"`
}

// ExternalArtifactStatus describes the artifact. Its provider writes it.
type ExternalArtifactStatus struct {
	// Artifact is the content that the provider offers. It is downloaded from its
	// URL and refused unless the digest matches.
	// +optional
	Artifact *api.Artifact `json:"artifact,omitempty"`

	// Conditions tell how the provider fares.
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ExternalArtifact is an artifact that something other than fluxd provides. It has
// no reconciler: status comes from its provider.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ea,categories=all;fluxcd;fluxcd-sources
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Source",type=string,JSONPath=`.spec.sourceRef.name`
// +kubebuilder:metadata:annotations="kustomize.toolkit.fluxcd.io/substitute=disabled"
// +kubebuilder:metadata:labels={"app.kubernetes.io/component=source-controller","app.kubernetes.io/instance=flux-system","app.kubernetes.io/part-of=flux","app.kubernetes.io/version=v2.9.0"}
type ExternalArtifact struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says who provides the artifact.
	Spec ExternalArtifactSpec `json:"spec,omitempty"`

	// Status describes the artifact, in the words of its provider.
	Status ExternalArtifactStatus `json:"status,omitempty"`
}

// ExternalArtifactList is a list of ExternalArtifacts.
//
// +kubebuilder:object:root=true
type ExternalArtifactList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ExternalArtifact `json:"items"`
}

// GetArtifact implements [api.Source].
func (e *ExternalArtifact) GetArtifact() *api.Artifact { return e.Status.Artifact }

// GetConditions returns the conditions in status.
func (e *ExternalArtifact) GetConditions() []metav1.Condition { return e.Status.Conditions }

// SetConditions replaces the conditions in status.
func (e *ExternalArtifact) SetConditions(c []metav1.Condition) { e.Status.Conditions = c }
