// Package v2 describes the HelmRelease: an object of the group
// helm.toolkit.fluxcd.io that installs a chart and keeps the release as the chart
// and its values say.
//
// +kubebuilder:object:generate=true
// +groupName=helm.toolkit.fluxcd.io
package v2
