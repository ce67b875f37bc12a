package api

// Conditions of every kind.
const (
	// ConditionReady sums up: True when the world is what spec asks for.
	ConditionReady = "Ready"

	// ConditionReconciling is present, and True, while there is more to do.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is present, and True, when only an edit can help.
	ConditionStalled = "Stalled"
)

// Conditions of sources. Except for the first and the last of this list they are
// present only while True, and True is bad news.
const (
	// ConditionArtifactInStorage is True when the wanted revision is stored.
	ConditionArtifactInStorage = "ArtifactInStorage"

	// ConditionArtifactOutdated: something newer than what is stored is known.
	ConditionArtifactOutdated = "ArtifactOutdated"

	// ConditionFetchFailed: resolving, authenticating or downloading went wrong.
	ConditionFetchFailed = "FetchFailed"

	// ConditionStorageOperationFailed: keeping what was fetched went wrong.
	ConditionStorageOperationFailed = "StorageOperationFailed"

	// ConditionIncludeUnavailable: a GitRepository that this one includes is
	// missing or has no artifact.
	ConditionIncludeUnavailable = "IncludeUnavailable"

	// ConditionBuildFailed: packaging a HelmChart went wrong.
	ConditionBuildFailed = "BuildFailed"

	// ConditionSourceVerified tells the outcome of the signature check; both
	// True and False occur. It is absent when spec asks for none.
	ConditionSourceVerified = "SourceVerified"
)

// ConditionHealthy, of a Kustomization, tells the outcome of the health checks. It
// is absent when there are none.
const ConditionHealthy = "Healthy"

// Conditions of a HelmRelease.
const (
	// ConditionReleased tells how the last install or upgrade ended.
	ConditionReleased = "Released"

	// ConditionTestSuccess tells how the tests of the latest release ended.
	ConditionTestSuccess = "TestSuccess"

	// ConditionRemediated tells how the rollback or uninstall after a failure
	// ended.
	ConditionRemediated = "Remediated"

	// ConditionDrifted is True when the cluster is not what the release says.
	ConditionDrifted = "Drifted"
)
