package api

// The types of this file are digested as JSON to notice changes (post-renderers
// and common metadata of a HelmRelease). The order of their fields is therefore
// part of the format that a cluster's status holds; do not move them.

// Image replaces parts of the image references that carry a name.
type Image struct {
	// Name selects the containers to change by the image they run, without tag
	// and digest.
	// +required
	Name string `json:"name"`

	// NewName takes the place of the selected name, registry included.
	// +optional
	NewName string `json:"newName,omitempty"`

	// NewTag takes the place of the tag.
	// +optional
	NewTag string `json:"newTag,omitempty"`

	// Digest pins the image to its content, as <algorithm>:<hex>. It is written
	// after the tag, and decides what runs.
	// +optional
	Digest string `json:"digest,omitempty"`
}

// Selector picks objects. What is empty matches everything; the parts that are
// set must all match. Group, version, kind, namespace and name are regular
// expressions that must match as a whole.
type Selector struct {
	// Group is a regular expression for the API group, such as apps or
	// .*\.fluxcd\.io.
	// +optional
	Group string `json:"group,omitempty"`

	// Version is a regular expression for the API version.
	// +optional
	Version string `json:"version,omitempty"`

	// Kind is a regular expression for the kind.
	// +optional
	Kind string `json:"kind,omitempty"`

	// Namespace is a regular expression for the namespace.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name is a regular expression for the name.
	// +optional
	Name string `json:"name,omitempty"`

	// AnnotationSelector is matched against the annotations, in the language of
	// label selectors: owner=web,tier!=test.
	// +optional
	AnnotationSelector string `json:"annotationSelector,omitempty"`

	// LabelSelector is matched against the labels: app=web,tier in (a,b).
	// +optional
	LabelSelector string `json:"labelSelector,omitempty"`
}

// Patch changes objects after they were built.
type Patch struct {
	// Patch is the text of a strategic merge patch or of a JSON 6902 patch, in
	// YAML or JSON.
	// +required
	Patch string `json:"patch"`

	// Target selects the objects to change. A strategic merge patch may leave it
	// out and name its object in its own metadata; a JSON 6902 patch needs it.
	// +optional
	Target *Selector `json:"target,omitempty"`
}

// CommonMetadata is put on every object. Keys that an object already has are
// overwritten.
type CommonMetadata struct {
	// Annotations to set on every object.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// Labels to set on every object. Only its own metadata changes: selectors and
	// Pod templates do not.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// IgnoreRule names fields that others may change without it counting as drift.
type IgnoreRule struct {
	// Paths are JSON pointers (RFC 6901) to the fields, such as /spec/replicas.
	// The empty pointer stands for the whole object.
	// +required
	Paths []string `json:"paths"`

	// Target selects the objects that the rule is for. Left out, it is for all.
	// +optional
	Target *Selector `json:"target,omitempty"`
}
