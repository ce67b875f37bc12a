package api

// Reasons that conditions and events of every kind may have.
const (
	ReasonSucceeded            = "Succeeded"
	ReasonFailed               = "Failed"
	ReasonProgressing          = "Progressing"
	ReasonProgressingWithRetry = "ProgressingWithRetry"
	ReasonSuspended            = "Suspended"
	ReasonUnknown              = "Unknown"

	// ReasonReconciliationFailed stands for failures that nobody classified.
	ReasonReconciliationFailed    = "ReconciliationFailed"
	ReasonReconciliationSucceeded = "ReconciliationSucceeded"

	ReasonAccessDenied         = "AccessDenied"
	ReasonDependencyNotReady   = "DependencyNotReady"
	ReasonFeatureGateDisabled  = "FeatureGateDisabled"
	ReasonInvalidCELExpression = "InvalidCELExpression"
	ReasonInvalidPath          = "InvalidPath"
	ReasonInvalidURL           = "InvalidURL"
)

// Reasons of Kustomizations; the artifact and health ones also of HelmReleases.
const (
	ReasonArtifactFailed      = "ArtifactFailed"
	ReasonBuildFailed         = "BuildFailed"
	ReasonPruneFailed         = "PruneFailed"
	ReasonHealthCheckFailed   = "HealthCheckFailed"
	ReasonHealthCheckCanceled = "HealthCheckCanceled"
)
