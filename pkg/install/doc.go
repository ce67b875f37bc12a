// Package install is fluxd as a cluster has it: its manifests, how they get there,
// what a good installation looks like, and how it goes again.
//
//	deploy.FS ─▶ Build ─▶ Options.Edit ─▶ Encode     install.yaml, a file in Git
//	                           │
//	                           └─────▶ Cluster.Apply  the API server
//
// There is one renderer: the release file, `fluxd install --export` and what
// `fluxd bootstrap` commits come from [Build] and [Options.Edit]. Build runs the same
// kustomize as the daemon does, so what is applied from here is what the daemon
// would apply.
//
// # Who writes
//
// [Cluster.Apply] is a pass of package apply, under the field manager that the daemon
// has for Kustomizations. So there is one owner of every field from the first moment:
// what Git drops later is dropped, which it would not be if a second manager had
// applied it too. With an owner, the objects carry its labels, and the first
// reconcile of the Kustomization of that name finds nothing to do.
//
// # What is promised
//
//   - Everything can be run again at any time. A run that was interrupted is completed
//     by the next one.
//   - [Cluster.Others] finds the controllers of Flux, and nothing is installed beside
//     them unless somebody insists.
//   - [Uninstall] leaves alone what Kustomizations and HelmReleases applied. It waits
//     until the Pods of fluxd are gone before it takes finalizers off, so that nobody
//     puts them on again or prunes when the definitions go.
//   - A dry run writes nothing: its requests carry dryRun=All, or are reads.
package install
