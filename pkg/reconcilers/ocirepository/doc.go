// Package ocirepository makes an artifact of a layer in an OCI registry.
//
// Reads: the OCIRepository, the Secrets that it names, the pull secrets of its
// ServiceAccount, and for the providers aws, azure and gcp without any pull secret
// the identity of that ServiceAccount or of the process.
//
// Does: asks the registry for the digest of the wanted tag, or for all tags where a range
// of versions is wanted; verifies the signature of that digest where that is due; if it is
// not the one in the store, reads the manifest, unpacks the wanted layer while it arrives,
// leaves out what is ignored, and stores the tree. A layer that is to be copied is stored
// byte for byte. The artifact is in the store before the status says so. Objects that want
// the same layer from the same repository with the same credentials share one download and
// one copy.
//
// Leaves behind: status.artifact with the annotations of the manifest, status.url, the
// observed settings that shaped it, and the conditions ArtifactInStorage, FetchFailed,
// SourceVerified, ArtifactOutdated and StorageOperationFailed. Nothing in the cluster:
// deleting the object only frees memory.
//
// Verifies: whenever the digest is new, the spec has changed, the last check failed, or
// memory is cold. What does not verify is not stored; what was stored before stays.
//
// After a restart the store is empty and the status is not. The registry is asked, and
// until it has answered the status stays as it is: what is not known is not denied. If the
// wanted tag cannot be found, the recorded digest is fetched for those who consume it, which
// is also what a suspended object gets.
//
// spec.timeout bounds what is small: logging in, finding the digest, verifying. A layer may
// take as long, and what it needs at 8 KiB a second.
//
// Stalls on: a URL that is not one of a repository, or holds a tag; and a ServiceAccount for
// a provider without the feature gate for it. Everything else, such as missing Secrets,
// malformed ranges and bad signatures, is tried again, and at once when a Secret changes.
package ocirepository
