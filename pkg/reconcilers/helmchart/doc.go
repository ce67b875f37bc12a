// Package helmchart makes an artifact of a chart.
//
// Reads: the HelmChart, the HelmRepository, GitRepository or Bucket that it names,
// the artifact of that or the entry of its index, the Secrets of the HelmRepository
// and of the signature check, and for the dependencies of a chart in a folder the
// HelmRepositories of the namespace with the same URL.
//
// Does: finds the version, which for a HelmRepository is the best one within
// spec.version; stops if it is the one in the store; else downloads the archive,
// or loads and completes the chart of a folder; merges values files; and stores the
// archive. What needs no change is stored byte for byte as it came. What is packaged
// here has no times in it, so that it has the same digest after a restart.
//
// Leaves behind: status.artifact, whose digest and size are those of the archive
// and whose tree is that one file; what was observed of source, name and values files;
// and the conditions ArtifactInStorage, FetchFailed, BuildFailed, SourceVerified,
// ArtifactOutdated and StorageOperationFailed.
//
// After a restart the store is empty and the status is not. The chart is made again,
// and until then the status stays as it is. A source that has yet to come into
// memory is waited for.
//
// Stalls on: a chart or version that the source does not have, a version that is
// none, values files that are missing or do not parse, and a source of another kind.
// All but the last are looked at again when the source has a new revision.
package helmchart
