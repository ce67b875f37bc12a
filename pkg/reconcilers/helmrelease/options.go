package helmrelease

import (
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
)

// actionOptions returns what the options of every action have in common.
func (p *pass) actionOptions(a action) release.Options {
	return release.Options{Attempt: token(p.obj, a), Timeout: timeoutOf(p.obj, a)}
}

// tags are what the digests of the revisions in the history are made with.
func tags(obj *v2.HelmRelease) map[int]release.Tag {
	tags := make(map[int]release.Tag, len(obj.Status.History))
	for _, s := range obj.Status.History {
		tags[s.Version] = tagOf(s)
	}
	return tags
}

// wait returns how an action waits. Not to wait wins over how.
func (p *pass) wait(disabled bool) release.Wait {
	strategy := p.obj.GetWaitStrategy()
	switch {
	case disabled:
		return release.WaitHooks
	case strategy == v2.WaitLegacy, strategy == "" && p.options.Helm3Defaults:
		return release.WaitLegacy
	}
	return release.WaitPoller
}

// method returns how objects are written for one of the modes of a spec; empty is as
// the release has it.
func method(m v2.ServerSideApplyMode) release.Method {
	switch m {
	case v2.ServerSideApplyEnabled:
		return release.ServerSide
	case v2.ServerSideApplyDisabled:
		return release.ClientSide
	}
	return ""
}

func (p *pass) installMethod() release.Method {
	serverSide := !p.options.Helm3Defaults
	if asked := p.obj.GetInstall().ServerSideApply; asked != nil {
		serverSide = *asked
	}
	if serverSide {
		return release.ServerSide
	}
	return release.ClientSide
}

// postRenderStrategy returns the strategy, that of Helm 3 if that is the default.
func (p *pass) postRenderStrategy() v2.PostRenderStrategy {
	if p.obj.Spec.PostRenderStrategy == "" && p.options.Helm3Defaults {
		return v2.PostRenderNoHooks
	}
	return p.obj.Spec.PostRenderStrategy
}

func (p *pass) rollback(to *v2.Snapshot) release.Rollback {
	spec := p.obj.GetRollback()
	o := p.actionOptions(rollback)
	o.Wait, o.WaitForJobs, o.DisableHooks = p.wait(spec.DisableWait), !spec.DisableWaitForJobs, spec.DisableHooks
	return release.Rollback{
		Options: o, Version: to.Version, Method: method(spec.ServerSideApply),
		Force: spec.Force, CleanupOnFail: spec.CleanupOnFail, MaxHistory: p.obj.GetMaxHistory(),
	}
}

func (p *pass) uninstall(a action) release.Uninstall {
	spec := p.obj.GetUninstall()
	o := p.actionOptions(a)
	o.Wait, o.DisableHooks = p.wait(spec.DisableWait), spec.DisableHooks
	return release.Uninstall{Options: o, KeepHistory: spec.KeepHistory, Propagation: spec.GetDeletionPropagation()}
}

func (p *pass) test() release.Test {
	t := release.Test{Options: p.actionOptions(test)}
	t.WaitForJobs = true
	for _, f := range p.obj.GetTest().Filters {
		if f.Exclude {
			t.Exclude = append(t.Exclude, f.Name)
		} else {
			t.Include = append(t.Include, f.Name)
		}
	}
	return t
}
