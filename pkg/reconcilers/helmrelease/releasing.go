package helmrelease

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/render/helm"
)

// install renders the chart and takes the first step of an install.
func (p *pass) install(ctx context.Context, t release.Target) (release.Step, error) {
	spec := p.obj.GetInstall()
	rendered, err := p.render(ctx, helm.Input{Revision: 1, SkipSchema: spec.DisableSchemaValidation})
	if err != nil {
		return release.Step{}, err
	}
	o := p.actionOptions(install)
	o.OCIDigest = p.obj.Status.LastAttemptedRevisionDigest
	o.Wait, o.WaitForJobs, o.DisableHooks = p.wait(spec.DisableWait), !spec.DisableWaitForJobs, spec.DisableHooks
	in := release.Install{
		Options: o, Rendered: rendered, Method: p.installMethod(), Replace: spec.Replace, TakeOwnership: !spec.DisableTakeOwnership,
		CreateNamespace: spec.CreateNamespace && p.obj.Spec.TargetNamespace != "",
	}
	if step, err := p.definitions(ctx, t, rendered, spec.CRDs, o.Wait); err != nil || step.Waiting != nil {
		return step, err
	}
	return p.releases.Install(ctx, t, in)
}

// upgrade renders the chart and takes the first step of an upgrade.
func (p *pass) upgrade(ctx context.Context, t release.Target) (release.Step, error) {
	spec := p.obj.GetUpgrade()
	last, err := p.releases.Last(ctx, t, release.Tag{})
	if err != nil || last == nil {
		return release.Step{}, orElse(err, fmt.Errorf("%q has no deployed releases", t.Name))
	}
	in := helm.Input{Revision: last.Version + 1, Upgrade: true, SkipSchema: spec.DisableSchemaValidation}
	if spec.PreserveValues {
		if in.PreviousChart, in.PreviousValues, err = p.releases.Current(ctx, t); err != nil {
			return release.Step{}, err
		}
	}
	rendered, err := p.render(ctx, in)
	if err != nil {
		return release.Step{}, err
	}
	o := p.actionOptions(upgrade)
	o.OCIDigest = p.obj.Status.LastAttemptedRevisionDigest
	o.Wait, o.WaitForJobs, o.DisableHooks = p.wait(spec.DisableWait), !spec.DisableWaitForJobs, spec.DisableHooks
	up := release.Upgrade{
		Options: o, Rendered: rendered, Revision: in.Revision, Method: release.MethodOf(method(spec.ServerSideApply), last.Method),
		Force: spec.Force, TakeOwnership: !spec.DisableTakeOwnership, CleanupOnFail: spec.CleanupOnFail, MaxHistory: p.obj.GetMaxHistory(),
	}
	if step, err := p.definitions(ctx, t, rendered, spec.CRDs, o.Wait); err != nil || step.Waiting != nil {
		return step, err
	}
	return p.releases.Upgrade(ctx, t, up)
}

// definitions brings the definitions of the chart to the cluster. No record is written,
// so that a failure does not count.
func (p *pass) definitions(ctx context.Context, t release.Target, r release.Rendered, policy v2.CRDsPolicy, w release.Wait) (release.Step, error) {
	if len(r.CRDs) == 0 || policy == v2.CRDsSkip {
		return release.Step{}, nil
	}
	step, err := p.releases.ApplyCRDs(ctx, t, release.CRDs{
		Manifests: r.CRDs, Policy: policy, Wait: w,
		Labels: map[string]string{api.LabelHelmReleaseName: p.obj.Name, api.LabelHelmReleaseNamespace: p.obj.Namespace},
	})
	if err != nil {
		err = fmt.Errorf("failed to apply CustomResourceDefinitions: %w", err)
	}
	p.warnings = append(p.warnings, step.Warnings...)
	return release.Step{Waiting: step.Waiting, Logs: step.Logs}, err
}

// render renders the chart for a revision.
func (p *pass) render(ctx context.Context, in helm.Input) (release.Rendered, error) {
	chart, err := p.loaded.Load(ctx, p.artifact.Digest, p.tree, p.memory)
	if err != nil {
		return release.Rendered{}, p.unloadable(ctx, err)
	}
	in.Chart, in.Version, in.Values = chart, p.version, p.config
	in.Name, in.Namespace = releaseName(p.obj), p.obj.GetReleaseNamespace()
	in.Lookup, in.AllowDNS, in.Memory = p.at.lookup, p.options.AllowDNS, p.memory
	in.PostRender = helm.PostRender{
		Strategy: p.postRenderStrategy(), Renderers: p.obj.Spec.PostRenderers, Common: p.obj.Spec.CommonMetadata,
		OwnerNamespace: p.obj.Namespace, OwnerName: p.obj.Name,
	}
	if in.Capabilities, err = p.at.served(ctx); err != nil {
		return release.Rendered{}, err
	}
	out, err := p.renderer.Render(ctx, in)
	if err != nil {
		return release.Rendered{}, err
	}
	p.warnings = append(p.warnings, out.Warnings...)
	rendered := release.Rendered{
		Chart: out.Chart, Values: out.Values, Manifest: out.Manifest, Hooks: out.Hooks, Notes: out.Notes,
	}
	for crd, err := range helm.CRDs(in) {
		if err != nil {
			return release.Rendered{}, fmt.Errorf("failed to apply CustomResourceDefinitions: %w", err)
		}
		text, err := json.Marshal(crd.Object)
		if err != nil {
			return release.Rendered{}, fmt.Errorf("%s: %w", crd.File, err)
		}
		rendered.CRDs = append(rendered.CRDs, string(text))
	}
	return rendered, nil
}
