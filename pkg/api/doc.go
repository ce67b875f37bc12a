// Package api names what fluxd answers to: the groups and kinds, the condition
// types and reasons, the annotations, labels and finalizers, and the parts that
// the schemas of several kinds share.
//
// The kinds themselves live below, one package per group and version:
//
//	source/v1     GitRepository, OCIRepository, HelmRepository, HelmChart, Bucket, ExternalArtifact
//	kustomize/v1  Kustomization
//	helm/v2       HelmRelease
//	scheme        all of them in one runtime.Scheme
//	conditions    pure helpers over condition lists
//
// Every literal here is read by somebody else: the flux CLI, dashboards, alerts,
// Git repositories written years ago, or the stock controllers of a cluster that
// moves back. A value never changes. The schemas are those of Flux 2.9, property
// by property; test/compat compares them. The words are ours, because they are
// what kubectl explain shows. New behaviour never adds a field.
//
// Nothing in this tree talks to a cluster, reads a clock or logs.
//
// +kubebuilder:object:generate=true
package api
