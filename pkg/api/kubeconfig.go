package api

// KubeConfigReference says how to reach a cluster other than the one that this
// object lives in. One of the two ways must be given, not both.
//
// +kubebuilder:validation:XValidation:rule="has(self.configMapRef) || has(self.secretRef)", message="exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified"
// +kubebuilder:validation:XValidation:rule="!has(self.configMapRef) || !has(self.secretRef)", message="exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified"
type KubeConfigReference struct {
	// ConfigMapRef names a ConfigMap in this namespace that tells how to obtain a
	// short-lived token, so that no credential is stored. Its keys are:
	// provider (aws, azure, gcp or generic; always needed), cluster (the cloud
	// provider's full name of the cluster; needed unless provider is generic),
	// address and ca.crt (the API server and its CA in PEM; generic needs the
	// address, the others look up what is left out), audiences (a list in YAML or one per line,
	// of the token of the account; when left out, what the provider expects) and serviceAccountName (the account in this namespace whose identity is
	// exchanged; when left out, the default of the installation, which generic cannot
	// do without).
	// +optional
	ConfigMapRef *LocalObjectReference `json:"configMapRef,omitempty"`

	// SecretRef names a Secret in this namespace that holds a kubeconfig file.
	// Without a key the entries value and value.yaml are tried, in this order.
	// The file must be self-contained: commands to run and paths to other files
	// are ignored, and refused where they are the only credentials.
	// +optional
	SecretRef *SecretKeyReference `json:"secretRef,omitempty"`
}

// Keys of the ConfigMap that [KubeConfigReference] names.
const (
	KubeConfigKeyProvider           = "provider"
	KubeConfigKeyCluster            = "cluster"
	KubeConfigKeyAddress            = "address"
	KubeConfigKeyCACert             = "ca.crt"
	KubeConfigKeyAudiences          = "audiences"
	KubeConfigKeyServiceAccountName = "serviceAccountName"
)

// Keys of the Secret that [KubeConfigReference] names, in the order in which they
// are tried when the reference has none.
const (
	KubeConfigKeyValue     = "value"
	KubeConfigKeyValueYAML = "value.yaml"
)
