package release

import helm "helm.sh/helm/v3/pkg/release"

// The statuses of a revision.
const (
	statusDeployed     = helm.StatusDeployed
	statusUninstalled  = helm.StatusUninstalled
	statusSuperseded   = helm.StatusSuperseded
	statusFailed       = helm.StatusFailed
	statusUninstalling = helm.StatusUninstalling

	statusPendingInstall  = helm.StatusPendingInstall
	statusPendingUpgrade  = helm.StatusPendingUpgrade
	statusPendingRollback = helm.StatusPendingRollback
)
