package helmrelease

import (
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// begin notes what is attempted in the status. The failures so far are forgotten if it
// is something new, or somebody asked for that.
func begin(obj *v2.HelmRelease, a wanted) {
	status := &obj.Status
	reset := takeReset(obj)
	if reset || status.LastAttemptedGeneration != obj.Generation ||
		status.LastAttemptedRevision != a.chartVersion || status.LastAttemptedConfigDigest != a.config {
		status.ClearFailures()
	}
	status.StorageNamespace = obj.GetStorageNamespace()
	status.LastAttemptedGeneration = obj.Generation
	status.LastAttemptedRevision, status.LastAttemptedRevisionDigest = a.chartVersion, a.chartDigest
	status.LastAttemptedConfigDigest = a.config
	status.LastAttemptedValuesChecksum, status.LastReleaseRevision = "", 0
}
