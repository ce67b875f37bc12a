package v2

// ReleaseAction names something that is done to a release.
type ReleaseAction string

// The actions. The last is the uninstall that follows a failure.
const (
	ActionInstall              ReleaseAction = "install"
	ActionUpgrade              ReleaseAction = "upgrade"
	ActionRollback             ReleaseAction = "rollback"
	ActionUninstall            ReleaseAction = "uninstall"
	ActionUninstallRemediation ReleaseAction = "uninstall-remediation"
)

// Values of [InstallStrategy.Name] and [UpgradeStrategy.Name].
const (
	StrategyRemediateOnFailure = "RemediateOnFailure"
	StrategyRetryOnFailure     = "RetryOnFailure"
)

// RemediationStrategy says what follows a failed upgrade.
type RemediationStrategy string

// Values of [UpgradeRemediation.Strategy].
const (
	RemediateRollback  RemediationStrategy = "rollback"
	RemediateUninstall RemediationStrategy = "uninstall"
)

// CRDsPolicy says what to do with the crds folders of a chart.
type CRDsPolicy string

// Values of [Install.CRDs] and [Upgrade.CRDs].
const (
	CRDsSkip          CRDsPolicy = "Skip"
	CRDsCreate        CRDsPolicy = "Create"
	CRDsCreateReplace CRDsPolicy = "CreateReplace"
)

// ServerSideApplyMode says whether the API server merges changes.
type ServerSideApplyMode string

// Values of [Upgrade.ServerSideApply] and [Rollback.ServerSideApply].
const (
	ServerSideApplyEnabled  ServerSideApplyMode = "enabled"
	ServerSideApplyDisabled ServerSideApplyMode = "disabled"
	ServerSideApplyAuto     ServerSideApplyMode = "auto"
)

// ChartNameChangeStrategy says what to do when the chart has another name.
type ChartNameChangeStrategy string

// Values of [Upgrade.ChartNameChangeStrategy].
const (
	ChartNameChangeInPlace   ChartNameChangeStrategy = "InPlaceUpdate"
	ChartNameChangeReinstall ChartNameChangeStrategy = "Reinstall"
)

// Values of [Uninstall.DeletionPropagation].
const (
	PropagateBackground = "background"
	PropagateForeground = "foreground"
	PropagateOrphan     = "orphan"
)
