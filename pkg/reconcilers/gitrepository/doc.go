// Package gitrepository makes an artifact of a commit.
//
// Reads: the GitRepository, the Secrets that it names, and the artifacts of the
// GitRepositories that it includes.
//
// Does: asks the remote for its references; if the wanted commit is not the one
// in the store, fetches it, verifies its signature where that is asked for,
// leaves out what is ignored, adds what is included, and stores the tree. The
// artifact is in the store before the status says so.
//
// Leaves behind: status.artifact, the observed settings that shaped it, and the
// conditions ArtifactInStorage, FetchFailed, SourceVerified, IncludeUnavailable,
// ArtifactOutdated and StorageOperationFailed. Nothing in the cluster: deleting
// the object only frees memory.
//
// After a restart the store is empty and the status is not. The recorded commit
// is fetched again, and until then the status stays as it is: what is not known
// is not denied.
//
// The providers aws and azure log in to CodeCommit and Azure DevOps with the
// identity of the process or of spec.serviceAccountName, and to no other host.
//
// Stalls on: a URL that does not parse, and on a provider or a combination of
// settings that no retry can mend.
package gitrepository
