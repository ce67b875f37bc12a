package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/pkg/api"
)

// Bootstrapped returns the Kustomization that the definitions come from, as
// namespace/name, empty if they were installed by hand or not at all.
func (c *Cluster) Bootstrapped(ctx context.Context) (string, error) {
	crd, err := c.Get(ctx, definitions, "", api.GitRepositoryGVR.Resource+"."+api.SourceGroup)
	if err != nil || crd == nil {
		return "", err
	}
	labels := crd.GetLabels()
	if labels[api.LabelKustomizationName] == "" {
		return "", nil
	}
	return labels[api.LabelKustomizationNamespace] + "/" + labels[api.LabelKustomizationName], nil
}

// Prepare looks whether fluxd can be installed in a namespace: at the version of the
// server, the rights of the account, and who else is there, which force passes over.
// Controllers that are about to end are waited for. Nothing is written.
func (c *Cluster) Prepare(ctx context.Context, namespace string, force bool, p Progress) error {
	p.Step("connecting to %s", c.Host)
	version, err := c.Server(ctx)
	if err != nil {
		return err
	}
	p.Done("Kubernetes %s %s", version, Kubernetes)
	if err := c.MayInstall(ctx); err != nil {
		return err
	}
	others, err := c.gone(ctx, namespace, force, p)
	if err != nil {
		return err
	}
	if len(others) > 0 && !force {
		return &OthersError{others}
	}
	for _, o := range others {
		p.Note("%s runs as well", o)
	}
	return nil
}

// Install brings fluxd to a cluster and waits until it is ready. It may be run again,
// and upgrades. A cluster whose fluxd comes from Git is refused unless force says
// otherwise: Git would undo it.
func Install(ctx context.Context, c *Cluster, o Options, force bool, p Progress) error {
	if err := c.Prepare(ctx, o.Namespace, force, p); err != nil {
		return err
	}
	root, err := c.Bootstrapped(ctx)
	if err != nil {
		return err
	}
	if root != "" && !force {
		return fmt.Errorf("fluxd is installed from Git here, by the Kustomization %s: change it there, or run fluxd bootstrap again", root)
	}
	objects, err := Manifests(ctx, o)
	if err != nil {
		return err
	}
	if err := c.sparesControllers(ctx, objects); err != nil {
		return err
	}
	if err := c.keepsLockdown(ctx, o.Namespace, objects); err != nil && !force {
		return err
	}
	p.Step("installing fluxd in the namespace %s", o.Namespace)
	changes, err := c.Apply(ctx, nil, objects)
	p.Changes(changes)
	if err != nil {
		return err
	}
	if c.DryRun {
		p.Done("nothing was written")
		return nil
	}
	p.Step("waiting for the Deployment %s/%s", o.Namespace, program)
	if err := c.Ready(ctx, o.Namespace); err != nil {
		return err
	}
	p.Done("install finished")
	return nil
}

// locks are the flags that lock tenants in.
var locks = []string{"--no-cross-namespace-refs=true", "--no-remote-bases=true", "--default-service-account="}

// keepsLockdown refuses to take from the fluxd that is there what locks tenants in.
func (c *Cluster) keepsLockdown(ctx context.Context, namespace string, objects Objects) error {
	there, err := c.Get(ctx, deployments, namespace, program)
	if err != nil || there == nil {
		return err
	}
	before, err := ReadController(there)
	if err != nil {
		return nil // it is not one of ours, and will be
	}
	var lifted []string
	for _, obj := range objects.Of("Deployment") {
		after, err := ReadController(obj)
		if err != nil {
			return err
		}
		for _, arg := range before.Args {
			flag := func(lock string) bool { return strings.HasPrefix(arg, lock) }
			if slices.ContainsFunc(locks, flag) && obj.GetName() == program && !slices.Contains(after.Args, arg) {
				lifted = append(lifted, arg)
			}
		}
	}
	if len(lifted) > 0 {
		return fmt.Errorf("the fluxd that is there locks tenants in, by %s, and would not any more: use --profile=lockdown, or --force", strings.Join(lifted, " "))
	}
	return nil
}

// sparesControllers refuses to write over the Deployments of an installation of Flux.
func (c *Cluster) sparesControllers(ctx context.Context, objects Objects) error {
	for _, obj := range objects.Of("Deployment") {
		if !IsComponent(obj.GetName()) {
			continue
		}
		there, err := c.Get(ctx, deployments, obj.GetNamespace(), obj.GetName())
		if err != nil {
			return err
		}
		if there != nil && there.GetLabels()[labelManagedBy] != program {
			return fmt.Errorf("the Deployment %s/%s of Flux is there: --profile=%s is for clusters without", obj.GetNamespace(), obj.GetName(), aliases)
		}
	}
	return nil
}

// ErrChecks says that something is not as it should be. What it is was told.
var ErrChecks = errors.New("some checks have failed")

// Checks say what to look at.
type Checks struct {
	Namespace string
	// Pre asks whether there could be an installation, not how it is doing.
	Pre bool
	// Preflight returns what the Flux controllers are told that counts for a fluxd, and
	// what they have that it lacks. An error says that it does not start beside them.
	Preflight func(controllers []Controller, fluxd Controller) (taken, lost []string, err error)
}

// Check tells how the installation in a namespace is doing, or whether there could be one.
func Check(ctx context.Context, c *Cluster, checks Checks, p Progress) error {
	ch := &checker{Cluster: c, progress: p, Checks: checks}
	ch.prerequisites(ctx, checks.Pre)
	ch.controllers(ctx)
	if !checks.Pre {
		ch.deployment(ctx)
		ch.definitions(ctx)
		ch.root(ctx)
	}
	if ch.failed {
		return ErrChecks
	}
	p.Done("all checks passed")
	return nil
}

// checker is one check under way.
type checker struct {
	*Cluster
	Checks
	progress Progress
	failed   bool
}

func (c *checker) fail(format string, args ...any) {
	c.failed = true
	c.progress.Failed(format, args...)
}

func (c *checker) prerequisites(ctx context.Context, pre bool) {
	c.progress.Step("checking prerequisites")
	version, err := c.Server(ctx)
	if err != nil {
		c.fail("%v", err)
		return
	}
	c.progress.Done("Kubernetes %s %s", version, Kubernetes)
	others, err := c.Others(ctx, c.Namespace)
	switch {
	case err != nil:
		c.fail("%v", err)
	case len(others) > 0:
		c.fail("%v", &OthersError{others})
	}
	if !pre {
		return
	}
	if err := c.MayInstall(ctx); err != nil {
		c.fail("%v", err)
		return
	}
	c.progress.Done("the account may install fluxd")
}

func (c *checker) deployment(ctx context.Context) {
	c.progress.Step("checking the process")
	d, err := c.Get(ctx, deployments, c.Namespace, program)
	if err != nil || d == nil {
		c.fail("the Deployment %s/%s does not exist, or cannot be read: fluxd is not installed there", c.Namespace, program)
		return
	}
	current, why, err := health(d)
	switch {
	case err != nil:
		c.fail("%v", err)
	case !current:
		c.fail("%s: the Deployment is not ready: %s", program, why)
	default:
		c.progress.Done("%s: the Deployment is ready", program)
	}
	containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
	for _, item := range containers {
		if container, ok := item.(map[string]any); ok {
			c.progress.Step("%v", container["image"])
		}
	}
}

func (c *checker) definitions(ctx context.Context) {
	c.progress.Step("checking the definitions")
	for _, r := range api.Resources() {
		name := r.Name.Resource + "." + r.Name.Group
		crd, err := c.Get(ctx, definitions, "", name)
		if err != nil {
			c.fail("%v", err)
			continue
		}
		if crd == nil {
			c.fail("%s is missing", name)
			continue
		}
		stored, _, _ := unstructured.NestedStringSlice(crd.Object, "status", "storedVersions")
		current, why, err := health(crd)
		switch {
		case err != nil || !current:
			c.fail("%s is not established: %s", name, why)
		case crd.GetLabels()[labelPartOf] != partOf:
			c.fail("%s lacks the label %s=%s, by which clients find it", name, labelPartOf, partOf)
		case len(stored) != 1 || stored[0] != r.Name.Version:
			c.fail("%s is stored in the versions %v, and %s is wanted: run flux migrate", name, stored, r.Name.Version)
		default:
			c.progress.Done("%s/%s", name, r.Name.Version)
		}
	}
}

// root tells how Git is doing, where fluxd comes from Git.
func (c *checker) root(ctx context.Context) {
	from, err := c.Bootstrapped(ctx)
	if err != nil || from == "" {
		return
	}
	ks, err := c.Get(ctx, api.KustomizationGVR, c.Namespace, c.Namespace)
	if err != nil || ks == nil {
		return
	}
	current, why, err := health(ks)
	switch {
	case err != nil:
		c.fail("%v", err)
	case !current:
		c.fail("the Kustomization %s, which fluxd comes from, is not ready: %s", from, why)
	default:
		revision, _, _ := unstructured.NestedString(ks.Object, "status", "lastAppliedRevision")
		c.progress.Done("bootstrapped from Git, at %s", revision)
	}
}
