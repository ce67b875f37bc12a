package helmrelease

import (
	"time"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// remediation is what the spec says about failures of the last install or upgrade.
type remediation struct {
	retries       int
	strategy      v2.RemediationStrategy
	remediateLast bool
	ignoreTests   bool
	failures      int64 // so far
}

// exhausted says that there are no retries left; a negative number has no end.
func (r remediation) exhausted() bool { return r.retries >= 0 && r.failures > int64(r.retries) }

// activeRemediation returns the remediation of the action that was attempted last, and
// whether there was one.
func activeRemediation(obj *v2.HelmRelease) (remediation, bool) {
	switch obj.Status.LastAttemptedReleaseAction {
	case v2.ActionInstall:
		return installRemediation(obj), true
	case v2.ActionUpgrade:
		return upgradeRemediation(obj), true
	}
	return remediation{}, false
}

// installRemediation returns the one of installs, which is always to uninstall.
func installRemediation(obj *v2.HelmRelease) remediation {
	r := obj.GetInstall().GetRemediation()
	return remediation{
		retries: r.Retries, strategy: v2.RemediateUninstall, remediateLast: r.RemediatesLastFailure(),
		ignoreTests: r.IgnoresTestFailures(obj.GetTest().IgnoreFailures), failures: obj.Status.InstallFailures,
	}
}

func upgradeRemediation(obj *v2.HelmRelease) remediation {
	r := obj.GetUpgrade().GetRemediation()
	return remediation{
		retries: r.Retries, strategy: r.GetStrategy(), remediateLast: r.RemediatesLastFailure(),
		ignoreTests: r.IgnoresTestFailures(obj.GetTest().IgnoreFailures), failures: obj.Status.UpgradeFailures,
	}
}

// policy is what the process says where a spec does not.
type policy struct {
	// retryByDefault makes RetryOnFailure the strategy of those that name none.
	retryByDefault bool
}

// installRetry returns after how long a failed install is tried again, and whether that
// is the strategy.
func (p policy) installRetry(obj *v2.HelmRelease) (time.Duration, bool) {
	s := obj.GetInstall().Strategy
	if s == nil {
		return v2.DefaultRetryInterval, p.retryByDefault
	}
	return s.GetRetryInterval(), s.Name == v2.StrategyRetryOnFailure
}

// upgradeRetry is installRetry for upgrades.
func (p policy) upgradeRetry(obj *v2.HelmRelease) (time.Duration, bool) {
	s := obj.GetUpgrade().Strategy
	if s == nil {
		return v2.DefaultRetryInterval, p.retryByDefault
	}
	return s.GetRetryInterval(), s.Name == v2.StrategyRetryOnFailure
}

// activeRetry is installRetry or upgradeRetry, whichever action was attempted last.
func (p policy) activeRetry(obj *v2.HelmRelease) (time.Duration, bool) {
	switch obj.Status.LastAttemptedReleaseAction {
	case v2.ActionInstall:
		return p.installRetry(obj)
	case v2.ActionUpgrade:
		return p.upgradeRetry(obj)
	}
	return 0, false
}
