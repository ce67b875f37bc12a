// Package helmrelease makes a release of a chart.
//
// Reads: the HelmRelease, the HelmChart, OCIRepository or ExternalArtifact with its
// chart, the HelmReleases that it depends on, the Secrets and ConfigMaps with its
// values, and in the cluster of the release its records in Helm's storage and its
// objects, the latter through their live records.
//
// What spec.kubeConfig names and the values are read as the process. Everything about
// the release itself, its records included, is done as whoever releases, see package
// clusters.
//
// Does, in this order: makes the HelmChart that spec.chart describes; goes on with an
// action that is under way, if there is one; waits for dependencies and the chart;
// composes the values; uninstalls a release that was made elsewhere or under another
// name; and then compares what is wanted with the last record of the release, until the
// two agree or there is nothing more to try:
//
//	           ┌───────────── observe: the last record, the status ◀──────┐
//	           ▼                                                          │
//	determine: absent, foreign, locked, out of sync, failed,              │
//	           untested, drifted or in sync                               │
//	           │                                                          │
//	           ▼                                                          │
//	decide:    install, upgrade, test, roll back, uninstall, unlock,      │
//	           correct ──▶ one step ──▶ waiting? park; the step is taken ─┘
//	           │                        up again by the next run
//	           ▼
//	nothing, or no more of it: sum up into Ready
//
// Determine and decide are functions of values. An action is a sequence of steps whose
// state is in the record of the release, see package release, so that a run which has to
// wait ends, what it waits for wakes the object, and a process that was killed goes on
// where it was. One kind of action is run once in a reconcile, which spans the runs from
// one end to the next.
//
// # What is counted
//
// A failed install or upgrade counts against the retries of its remediation only if it
// left a record. The counts go back to nothing with a new generation, chart version or
// other values, by request, and by success where the strategy is to retry.
//
// # What is left out
//
// A release that is in sync is not looked at again without a reason: its record is
// known by the metadata of its Secret, its chart by the digest of the artifact, its
// objects by their live records. Such a run makes no request.
//
// Leaves behind: the objects of the release with the two labels of ownership, the
// records of the release, the HelmChart, and in the status the history, inventory,
// counts, digests, what was attempted last and the conditions Released, TestSuccess,
// Remediated and Drifted. Deleting the object uninstalls the release and deletes the
// HelmChart; suspended, it leaves both.
//
// Stalls on: an expression that cannot be read, a reference across namespaces where
// these are forbidden, retries that are used up, and a rollback without anything to go
// back to.
package helmrelease
