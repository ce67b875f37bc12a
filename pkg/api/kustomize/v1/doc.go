// Package v1 describes the Kustomization: an object of the group
// kustomize.toolkit.fluxcd.io that builds the manifests of a source and keeps the
// cluster as they say.
//
// +kubebuilder:object:generate=true
// +groupName=kustomize.toolkit.fluxcd.io
package v1
