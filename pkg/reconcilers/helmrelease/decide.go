package helmrelease

import (
	"errors"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// action is something that can be done with a release.
type action uint8

const (
	nothing action = iota
	install
	upgrade
	test
	rollback
	uninstallRemediation
	uninstall
	unlock
	correctDrift
)

// String returns the name that people read.
func (a action) String() string {
	return [...]string{
		"", "install", "upgrade", "test", "rollback", "uninstall", "uninstall", "unlock", "correct cluster drift",
	}[a]
}

// class groups actions of which one is run in a reconcile.
type class uint8

const (
	noClass class = iota
	releasing
	remediating
	proving
	unlocking
	correcting
)

func (a action) class() class {
	return [...]class{noClass, releasing, releasing, proving, remediating, remediating, releasing, unlocking, correcting}[a]
}

// Why nothing more is done for a release that is not as it should be.
var (
	errRetriesExceeded  = errors.New("exceeded maximum retries")
	errNoRollbackTarget = errors.New("missing target release for rollback: cannot remediate failed release")
)

// decision is what is to be done about a situation.
type decision struct {
	action action
	// verify is the snapshot that a rollback goes back to if its record is as it was;
	// else an upgrade takes the place of the rollback.
	verify *v2.Snapshot
	// forget drops the history, which is not that of the release.
	forget bool
	// cut shortens the history to what is still needed.
	cut bool
	// mend sets right what conditions say of a release that turned out well after all.
	mend bool
	// err is why nothing is done.
	err error
}

// decide returns what to do about a situation. Force says that somebody asked for an
// install or upgrade whatever the situation.
func (p policy) decide(obj *v2.HelmRelease, s situation, force bool) decision {
	switch s.state {
	case absent:
		_, retries := p.installRetry(obj)
		return p.attempt(install, !retries && installRemediation(obj).exhausted(), force)
	case outOfSync:
		_, retries := p.upgradeRetry(obj)
		return p.attempt(upgrade, !retries && upgradeRemediation(obj).exhausted(), force)
	case unmanaged:
		return decision{action: upgrade, forget: true}
	case locked:
		return decision{action: unlock}
	case untested:
		return decision{action: test, mend: true}
	case failed:
		return p.remedy(obj, force)
	case drifted:
		if obj.GetDriftDetection().GetMode() == v2.DriftEnabled {
			return decision{action: correctDrift}
		}
		return decision{}
	case inSync:
		if force {
			return decision{action: upgrade, cut: true}
		}
		return decision{cut: true, mend: true}
	}
	return decision{err: errors.New("the state of the release is unknown")}
}

// attempt returns the decision to do something, unless it failed too often already.
func (p policy) attempt(a action, exhausted, force bool) decision {
	if exhausted && !force {
		return decision{err: errRetriesExceeded}
	}
	return decision{action: a}
}

// remedy decides about a failed release.
func (p policy) remedy(obj *v2.HelmRelease, force bool) decision {
	if _, retries := p.activeRetry(obj); retries {
		return decision{action: upgrade, cut: true}
	}
	r, active := activeRemediation(obj)
	switch {
	case !active, r.failures <= 0, force:
		return decision{action: upgrade}
	case r.exhausted() && !r.remediateLast:
		return decision{err: errRetriesExceeded}
	case r.strategy == v2.RemediateUninstall:
		return decision{action: uninstallRemediation, cut: true}
	}
	previous := obj.Status.History.Previous(r.ignoreTests)
	if previous == nil {
		return decision{err: errNoRollbackTarget, cut: true}
	}
	return decision{action: rollback, verify: previous, cut: true}
}
