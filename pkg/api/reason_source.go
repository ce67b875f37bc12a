package api

// Reasons of several kinds of source.
const (
	ReasonNewRevision      = "NewRevision"
	ReasonNewArtifact      = "NewArtifact"
	ReasonArtifactUpToDate = "ArtifactUpToDate"

	ReasonURLInvalid                   = "URLInvalid"
	ReasonAuthenticationFailed         = "AuthenticationFailed"
	ReasonVerificationError            = "VerificationError"
	ReasonInvalidProviderConfiguration = "InvalidProviderConfiguration"
	ReasonSourceIgnoreError            = "SourceIgnoreError"

	ReasonDirectoryCreationFailed    = "DirectoryCreationFailed"
	ReasonStatOperationFailed        = "StatOperationFailed"
	ReasonReadOperationFailed        = "ReadOperationFailed"
	ReasonAcquireLockFailed          = "AcquireLockFailed"
	ReasonArchiveOperationFailed     = "ArchiveOperationFailed"
	ReasonSymlinkUpdateFailed        = "SymlinkUpdateFailed"
	ReasonCacheOperationFailed       = "CacheOperationFailed"
	ReasonPatchOperationFailed       = "PatchOperationFailed"
	ReasonArtifactVerificationFailed = "ArtifactVerificationFailed"

	ReasonGarbageCollectionFailed    = "GarbageCollectionFailed"
	ReasonGarbageCollectionSucceeded = "GarbageCollectionSucceeded"
)

// Reasons of GitRepositories.
const (
	ReasonGitOperationSucceeded = "GitOperationSucceeded"
	ReasonGitOperationFailed    = "GitOperationFailed"
	ReasonEmptyGitRepository    = "EmptyGitRepository"

	ReasonIncludeChange = "IncludeChange"
	ReasonNotFound      = "NotFound"
	ReasonNoArtifact    = "NoArtifact"
	ReasonCopyFailure   = "CopyFailure"
	ReasonIllegalPath   = "IllegalPath"

	ReasonInvalidVerificationMode = "InvalidVerificationMode"
	ReasonInvalidGitObject        = "InvalidGitObject"
	ReasonInvalidTagSignature     = "InvalidTagSignature"
	ReasonInvalidCommitSignature  = "InvalidCommitSignature"
)

// Reasons of OCIRepositories.
const (
	ReasonOCIArtifactPullFailed           = "OCIArtifactPullFailed"
	ReasonOCIArtifactLayerOperationFailed = "OCIArtifactLayerOperationFailed"
	ReasonOCIOperationFailed              = "OCIOperationFailed"
)

// ReasonIndexationFailed is of HelmRepositories.
const ReasonIndexationFailed = "IndexationFailed"

// Reasons of HelmCharts.
const (
	ReasonNewChart              = "NewChart"
	ReasonChartPullSucceeded    = "ChartPullSucceeded"
	ReasonChartPackageSucceeded = "ChartPackageSucceeded"
	ReasonResolvedDependencies  = "ResolvedDependencies"

	ReasonSourceUnavailable     = "SourceUnavailable"
	ReasonNoSourceArtifact      = "NoSourceArtifact"
	ReasonUnsupportedSourceKind = "UnsupportedSourceKind"

	ReasonInvalidChartReference  = "InvalidChartReference"
	ReasonChartPullError         = "ChartPullError"
	ReasonMetadataPatchError     = "MetadataPatchError"
	ReasonValuesFilesError       = "ValuesFilesError"
	ReasonDependencyBuildError   = "DependencyBuildError"
	ReasonChartPackageError      = "ChartPackageError"
	ReasonChartVerificationError = "ChartVerificationError"
)

// Reasons of Buckets.
const (
	ReasonBucketOperationSucceeded = "BucketOperationSucceeded"
	ReasonBucketOperationFailed    = "BucketOperationFailed"
	ReasonInvalidSTSConfiguration  = "InvalidSTSConfiguration"
)

// Reasons that writers of ExternalArtifacts use, besides [ReasonSucceeded].
const (
	ReasonFetchFailed            = "FetchFailed"
	ReasonStorageOperationFailed = "StorageOperationFailed"
	ReasonVerificationFailed     = "VerificationFailed"
)
