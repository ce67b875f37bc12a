// Package artifacts keeps what sources have fetched: immutable file trees in
// memory, by digest, the newest of each owner.
//
// A [Tree] maps paths to modes and blobs. Blobs are content-addressed and
// shared between trees, revisions and owners, and kept compressed, since an
// artifact is read when it is new and then rests. Consumers read a tree as an
// [io/fs.FS]; there is no tarball, no HTTP and no temporary directory between a
// source and those who use it.
//
// A [Store] holds the newest tree of each owner within a budget of bytes. Over
// the budget it lets go of what was used least recently and is not held open;
// what it let go of is fetched again when it is needed. An empty store is no
// failure: [ErrNotFound] means that memory is cold, never that a source has
// nothing.
//
// With a directory, a store also keeps the last known good artifacts on disk,
// written behind and verified by their digest when they are read back, so that
// a machine that starts without a network goes on. Only bytes as fetched are
// written, nothing that was decrypted or rendered.
//
// Stores are safe for concurrent use. The package knows nothing of Kubernetes.
package artifacts
