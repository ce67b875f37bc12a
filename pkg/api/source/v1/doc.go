// Package v1 describes the sources: objects of the group source.toolkit.fluxcd.io
// that fetch something from outside the cluster, keep it as an artifact, and tell
// their consumers when there is a newer one.
//
// References of a source are by name, within its own namespace.
//
// +kubebuilder:object:generate=true
// +groupName=source.toolkit.fluxcd.io
package v1
