package v1

import "github.com/fluxd/fluxd/pkg/api"

// Values of the provider that verifies signatures in registries.
const (
	VerifierCosign   = "cosign"
	VerifierNotation = "notation"
)

// OCIRepositoryVerification asks for the signature of an OCI artifact.
type OCIRepositoryVerification struct {
	// Provider names the tool that signed: cosign, the default, or notation.
	// +kubebuilder:validation:Enum=cosign;notation
	// +kubebuilder:default:=cosign
	Provider string `json:"provider"`

	// SecretRef names the Secret with what is trusted. For cosign: public keys
	// under names ending in .pub, of which one must fit; without a Secret,
	// keyless signatures are checked. For notation, always needed:
	// trustpolicy.json, and certificates under names ending in .crt or .pem.
	// +optional
	SecretRef *api.LocalObjectReference `json:"secretRef,omitempty"`

	// MatchOIDCIdentity lists who may have signed keylessly. One entry must match;
	// without any, everybody may. Only for cosign without secretRef.
	// +optional
	MatchOIDCIdentity []OIDCIdentityMatch `json:"matchOIDCIdentity,omitempty"`

	// TrustedRootSecretRef names the Secret whose entry trusted_root.json
	// describes a private Sigstore instance, in place of the public one. Only
	// for cosign without secretRef.
	// +optional
	TrustedRootSecretRef *api.LocalObjectReference `json:"trustedRootSecretRef,omitempty"`
}

// HelmChartVerification asks for the signature of a chart in an OCI registry.
type HelmChartVerification struct {
	// Provider names the tool that signed: cosign, the default, or notation.
	// +kubebuilder:validation:Enum=cosign;notation
	// +kubebuilder:default:=cosign
	Provider string `json:"provider"`

	// SecretRef names the Secret with what is trusted. For cosign: public keys
	// under names ending in .pub, of which one must fit; without a Secret,
	// keyless signatures are checked. For notation, always needed:
	// trustpolicy.json, and certificates under names ending in .crt or .pem.
	// +optional
	SecretRef *api.LocalObjectReference `json:"secretRef,omitempty"`

	// MatchOIDCIdentity lists who may have signed keylessly. One entry must match;
	// without any, everybody may. Only for cosign without secretRef.
	// +optional
	MatchOIDCIdentity []OIDCIdentityMatch `json:"matchOIDCIdentity,omitempty"`
}

// OIDCIdentityMatch describes an identity that may sign. Both parts must match.
type OIDCIdentityMatch struct {
	// Issuer is a regular expression (Go syntax) for the issuer of the identity
	// token, such as ^https://accounts\.example\.com$.
	// +required
	Issuer string `json:"issuer"`

	// Subject is a regular expression (Go syntax) for the person or workflow that
	// the token was issued to.
	// +required
	Subject string `json:"subject"`
}
