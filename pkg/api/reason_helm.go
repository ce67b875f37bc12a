package api

// Reasons that tell how an action on a release ended.
const (
	ReasonInstallSucceeded   = "InstallSucceeded"
	ReasonInstallFailed      = "InstallFailed"
	ReasonUpgradeSucceeded   = "UpgradeSucceeded"
	ReasonUpgradeFailed      = "UpgradeFailed"
	ReasonTestSucceeded      = "TestSucceeded"
	ReasonTestFailed         = "TestFailed"
	ReasonAwaitingTests      = "AwaitingTests"
	ReasonRollbackSucceeded  = "RollbackSucceeded"
	ReasonRollbackFailed     = "RollbackFailed"
	ReasonUninstallSucceeded = "UninstallSucceeded"
	ReasonUninstallFailed    = "UninstallFailed"
	ReasonPendingRelease     = "PendingRelease"
)

// Reasons of drift detection.
const (
	ReasonDriftDetected         = "DriftDetected"
	ReasonNoDriftDetected       = "NoDriftDetected"
	ReasonDriftCorrected        = "DriftCorrected"
	ReasonDriftCorrectionFailed = "DriftCorrectionFailed"
)

// Reasons for which a HelmRelease gets to no action, or to no further one.
const (
	ReasonSourceNotReady        = "SourceNotReady"
	ReasonValuesError           = "ValuesError"
	ReasonChartMutateError      = "ChartMutateError"
	ReasonRESTClientError       = "RESTClientError"
	ReasonResourceManagerError  = "ResourceManagerError"
	ReasonFactoryError          = "FactoryError"
	ReasonConfigFactoryError    = "ConfigFactoryErr"
	ReasonStateError            = "StateError"
	ReasonReconcileError        = "ReconcileError"
	ReasonRetriesExceeded       = "RetriesExceeded"
	ReasonMissingRollbackTarget = "MissingRollbackTarget"
)

// Reasons of events about the chart and the inventory of a HelmRelease.
const (
	ReasonHelmChartCreated      = "HelmChartCreated"
	ReasonHelmChartConfigured   = "HelmChartConfigured"
	ReasonHelmChartDeleted      = "HelmChartDeleted"
	ReasonHelmChartSyncError    = "HelmChartSyncErr"
	ReasonInventoryBuildFailed  = "InventoryBuildFailed"
	ReasonNamespaceCheckSkipped = "NamespaceCheckSkipped"
)
