package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fluxd/fluxd/pkg/api"
)

// DefaultTimeout bounds remote operations of objects that name no timeout. The API
// server fills the same value in for the kinds whose schema has it.
const DefaultTimeout = time.Minute

// Values of [GitRepositorySpec.Provider].
const (
	GitProviderGeneric = "generic"
	GitProviderAWS     = "aws"
	GitProviderAzure   = "azure"
	GitProviderGitHub  = "github"
)

// GitRepositorySpec says which commit to fetch, from where, and how.
//
// +kubebuilder:validation:XValidation:rule="!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",message="serviceAccountName can only be set when provider is 'azure' or 'aws'"
type GitRepositorySpec struct {
	// URL of the repository, with the scheme https, http or ssh, such as
	// https://git.example.com/team/app.git. The short form user@host:path is not
	// understood; write ssh://user@host/path.
	// +kubebuilder:validation:Pattern="^(http|https|ssh)://.*$"
	// +required
	URL string `json:"url"`

	// SecretRef names the Secret with the credentials. For HTTP and HTTPS: username
	// and password, or bearerToken, and optionally ca.crt, tls.crt and tls.key.
	// For SSH: identity and known_hosts, and password if the key is encrypted. For
	// the provider github: the keys of a GitHub App.
	// +optional
	SecretRef *api.LocalObjectReference `json:"secretRef,omitempty"`

	// Provider decides how to log in: generic, the default, with what secretRef
	// holds; aws and azure with a token for the workload's cloud identity; github
	// as the GitHub App in secretRef.
	// +kubebuilder:validation:Enum=generic;aws;azure;github
	// +optional
	Provider string `json:"provider,omitempty"`

	// ServiceAccountName is the ServiceAccount in this namespace whose cloud
	// identity is used, in place of fluxd's own. Only for the providers aws and
	// azure.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// Interval between two looks at the remote repository, such as 5m or 1h30m. A
	// few percent of jitter spread the load.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	// +required
	Interval metav1.Duration `json:"interval"`

	// Timeout for one remote operation, such as a clone. Default 60s; hours are
	// not accepted.
	// +kubebuilder:default="60s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m))+$"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Reference selects what to check out. Left out, it is the branch master.
	// +optional
	Reference *GitRepositoryRef `json:"ref,omitempty"`

	// Verification asks for a valid signature before anything is published. While
	// it fails, consumers keep what they have.
	// +optional
	Verification *GitRepositoryVerification `json:"verify,omitempty"`

	// ProxySecretRef names the Secret with the proxy to use: address, and
	// optionally username and password. HTTP and HTTPS repositories take http,
	// https and socks5 proxies; SSH ones only socks5.
	// +optional
	ProxySecretRef *api.LocalObjectReference `json:"proxySecretRef,omitempty"`

	// Ignore lists what to leave out of the artifact, in the language of
	// .gitignore. It comes after, and so wins over, the .sourceignore files of
	// the repository. Any pattern here or there switches off the built-in list
	// (images, archives, CI configuration) except for Git's own files.
	// +optional
	Ignore *string `json:"ignore,omitempty"`

	// Suspend stops looking at the repository. Consumers keep the last artifact.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// RecurseSubmodules also checks out the submodules, with the same
	// credentials. Takes a full clone.
	// +optional
	RecurseSubmodules bool `json:"recurseSubmodules,omitempty"`

	// Include copies the content of other GitRepositories in this namespace into
	// the artifact, in the order of the list. A new artifact of theirs leads to a
	// new one of this.
	// +optional
	Include []GitRepositoryInclude `json:"include,omitempty"`

	// SparseCheckout limits the artifact to the paths that begin with one of
	// these. Each must exist.
	// +optional
	SparseCheckout []string `json:"sparseCheckout,omitempty"`
}

// GitRepositoryInclude copies a part of another GitRepository into this one.
type GitRepositoryInclude struct {
	// GitRepositoryRef names the GitRepository to copy from. It must have an
	// artifact first.
	// +required
	GitRepositoryRef api.LocalObjectReference `json:"repository"`

	// FromPath is the file or folder to copy. Left out, it is everything.
	// +optional
	FromPath string `json:"fromPath,omitempty"`

	// ToPath is where the copy goes, from the root of this repository. Left out,
	// it is the name of the included GitRepository. A folder with content there
	// is an error.
	// +optional
	ToPath string `json:"toPath,omitempty"`
}

// GetToPath returns where the copy goes.
func (i GitRepositoryInclude) GetToPath() string {
	if i.ToPath == "" {
		return i.GitRepositoryRef.Name
	}
	return i.ToPath
}

// GitRepositoryRef selects a commit. Where several fields are set, commit comes
// first, then name, tag, semver and branch.
type GitRepositoryRef struct {
	// Branch whose head is followed. Together with commit it is the branch that
	// the commit is looked for in. Default master.
	// +optional
	Branch string `json:"branch,omitempty"`

	// Tag to check out. If it is moved, so is the artifact.
	// +optional
	Tag string `json:"tag,omitempty"`

	// SemVer is a range such as >=1.2.0 <2.0.0; the highest tag within it is
	// followed. Pre-releases only count when the range names one.
	// +optional
	SemVer string `json:"semver,omitempty"`

	// Name is a full reference, such as refs/heads/main, refs/tags/v1.2.0 or
	// refs/pull/420/head.
	// +optional
	Name string `json:"name,omitempty"`

	// Commit is the full hash of a commit. With branch set, it must be in the
	// history of that branch.
	// +optional
	Commit string `json:"commit,omitempty"`
}

// GitVerificationMode says which signatures are checked.
type GitVerificationMode string

// Values of [GitRepositoryVerification.Mode]. The API also accepts head, an older
// spelling of the first.
const (
	VerifyHEAD       GitVerificationMode = "HEAD"
	VerifyTag        GitVerificationMode = "Tag"
	VerifyTagAndHEAD GitVerificationMode = "TagAndHEAD"
)

// GitRepositoryVerification asks for signatures.
type GitRepositoryVerification struct {
	// Mode says what must be signed: the commit that is checked out (HEAD, the
	// default), the tag that leads to it (Tag), or both (TagAndHEAD). The modes
	// with a tag need one in ref. head is an older spelling of HEAD.
	// +kubebuilder:validation:Enum=head;HEAD;Tag;TagAndHEAD
	// +kubebuilder:default:=HEAD
	// +optional
	Mode GitVerificationMode `json:"mode,omitempty"`

	// SecretRef names the Secret with the public keys of those who may sign: PGP
	// keys under names ending in .asc, SSH keys under names ending in .sshpub.
	// +required
	SecretRef api.LocalObjectReference `json:"secretRef"`
}

// GetMode returns the mode in its present spelling.
func (v GitRepositoryVerification) GetMode() GitVerificationMode {
	switch v.Mode {
	case VerifyTag, VerifyTagAndHEAD:
		return v.Mode
	}
	return VerifyHEAD
}

// GitRepositoryStatus says what was fetched last.
type GitRepositoryStatus struct {
	api.ReconcileStatus `json:",inline"`

	// Artifact is the content of the last commit that was fetched successfully.
	// +optional
	Artifact *api.Artifact `json:"artifact,omitempty"`

	// IncludedArtifacts are the artifacts that were copied into this one, in the
	// order of spec.include.
	// +optional
	IncludedArtifacts []*api.Artifact `json:"includedArtifacts,omitempty"`

	// ObservedIgnore is the spec.ignore that the artifact was made with.
	// +optional
	ObservedIgnore *string `json:"observedIgnore,omitempty"`

	// ObservedRecurseSubmodules is the spec.recurseSubmodules that the artifact
	// was made with.
	// +optional
	ObservedRecurseSubmodules bool `json:"observedRecurseSubmodules,omitempty"`

	// ObservedInclude is the spec.include that the artifact was made with.
	// +optional
	ObservedInclude []GitRepositoryInclude `json:"observedInclude,omitempty"`

	// ObservedSparseCheckout is the spec.sparseCheckout that the artifact was
	// made with.
	// +optional
	ObservedSparseCheckout []string `json:"observedSparseCheckout,omitempty"`

	// SourceVerificationMode is the mode that the signatures of the artifact were
	// last checked in. Empty when they were not.
	// +optional
	SourceVerificationMode *GitVerificationMode `json:"sourceVerificationMode,omitempty"`
}

// GitRepository turns a commit of a Git repository into an artifact.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=gitrepo,categories=all;fluxcd;fluxcd-sources
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:metadata:annotations="kustomize.toolkit.fluxcd.io/substitute=disabled"
// +kubebuilder:metadata:labels={"app.kubernetes.io/component=source-controller","app.kubernetes.io/instance=flux-system","app.kubernetes.io/part-of=flux","app.kubernetes.io/version=v2.9.0"}
type GitRepository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which commit to fetch, from where, and how.
	Spec GitRepositorySpec `json:"spec,omitempty"`

	// Status says what was fetched last, and what hinders the next.
	// +kubebuilder:default={"observedGeneration":-1}
	Status GitRepositoryStatus `json:"status,omitempty"`
}

// GitRepositoryList is a list of GitRepositories.
//
// +kubebuilder:object:root=true
type GitRepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GitRepository `json:"items"`
}

// GetProvider returns the provider, generic by default.
func (g *GitRepository) GetProvider() string {
	if g.Spec.Provider == "" {
		return GitProviderGeneric
	}
	return g.Spec.Provider
}

// GetTimeout returns the bound of one remote operation.
func (g *GitRepository) GetTimeout() time.Duration { return timeout(g.Spec.Timeout) }

// GetArtifact implements [api.Source].
func (g *GitRepository) GetArtifact() *api.Artifact { return g.Status.Artifact }

// The methods below implement [api.Object].

// GetConditions returns the conditions in status.
func (g *GitRepository) GetConditions() []metav1.Condition { return g.Status.Conditions }

// SetConditions replaces the conditions in status.
func (g *GitRepository) SetConditions(c []metav1.Condition) { g.Status.Conditions = c }

// GetObservedGeneration returns the generation that status speaks of.
func (g *GitRepository) GetObservedGeneration() int64 { return g.Status.ObservedGeneration }

// SetObservedGeneration notes the generation that status speaks of.
func (g *GitRepository) SetObservedGeneration(n int64) { g.Status.ObservedGeneration = n }

// GetLastHandledReconcileAt returns the last request that was acted on.
func (g *GitRepository) GetLastHandledReconcileAt() string { return g.Status.LastHandledReconcileAt }

// SetLastHandledReconcileAt notes the last request that was acted on.
func (g *GitRepository) SetLastHandledReconcileAt(s string) { g.Status.LastHandledReconcileAt = s }

// IsSuspended returns spec.suspend.
func (g *GitRepository) IsSuspended() bool { return g.Spec.Suspend }

// GetRequeueAfter returns spec.interval.
func (g *GitRepository) GetRequeueAfter() time.Duration { return g.Spec.Interval.Duration }

// GetRetryInterval returns 0: failures are retried with backoff.
func (g *GitRepository) GetRetryInterval() time.Duration { return 0 }

func timeout(d *metav1.Duration) time.Duration {
	if d == nil {
		return DefaultTimeout
	}
	return d.Duration
}
