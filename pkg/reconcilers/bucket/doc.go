// Package bucket makes an artifact of the objects of a bucket.
//
// Reads: the Bucket, the Secrets that it names, and for the providers aws, azure and gcp
// without a Secret the identity of its ServiceAccount or of the process.
//
// Does: lists the bucket; if the keys and entity tags are not those of the artifact in
// the store, fetches the objects that changed, leaves out what is ignored, and stores
// the tree. The artifact is in the store before the status says so.
//
// Leaves behind: status.artifact, status.url, the observed spec.ignore, and the
// conditions ArtifactInStorage, FetchFailed, ArtifactOutdated and
// StorageOperationFailed. Nothing in the cluster: deleting the object only frees
// memory.
//
// After a restart the store is empty and the status is not. The bucket is fetched as it
// is now, since a past state cannot be had, and until then the status stays as it is:
// what is not known is not denied. A suspended object gets its artifact back only while
// the bucket still holds just that.
//
// Listing and downloading have spec.timeout each.
//
// Stalls on: an endpoint or a bucket name that cannot be one, a token service that does not
// go with the provider, and a ServiceAccount without the feature gate for it. Missing and
// malformed Secrets are tried again, and at once when they change.
package bucket
