package api

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Artifact describes the content that a source holds for its consumers.
type Artifact struct {
	// Digest identifies the bytes of the archive, as <algorithm>:<hex>.
	// Consumers refuse content that does not match it.
	// +kubebuilder:validation:Pattern="^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$"
	// +required
	Digest string `json:"digest,omitempty"`

	// Path names the archive within the artifact server, as
	// <kind>/<namespace>/<name>/<file>, the kind in lower case.
	// +required
	Path string `json:"path"`

	// URL is where the archive can be downloaded while the artifact server is
	// switched on. Consumers inside fluxd do not need it.
	// +required
	URL string `json:"url"`

	// Revision says what was fetched, in the words of the origin: a branch or tag
	// with its commit, an OCI tag with its digest, a chart version, a checksum.
	// +required
	Revision string `json:"revision"`

	// LastUpdateTime is when this content was stored. It stays as long as the
	// same content is reused, and is unrelated to the date of a commit.
	// +required
	LastUpdateTime metav1.Time `json:"lastUpdateTime"`

	// Size of the archive in bytes.
	// +optional
	Size *int64 `json:"size,omitempty"`

	// Metadata holds facts from the origin, such as the annotations of an OCI
	// manifest. The key org.opencontainers.image.revision names the revision that
	// the content was built from.
	// +optional
	Metadata map[string]string `json:"metadata,omitempty"`
}

// OriginRevision returns the revision that the content was built from where the
// origin tells, else "".
func (a *Artifact) OriginRevision() string {
	if a == nil {
		return ""
	}
	return a.Metadata[MetadataOriginRevision]
}
