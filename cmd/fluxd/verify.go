package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/install"
)

// verify looks whether fluxd would start with what objects say of it and of the Flux
// controllers, and whether it could go on to apply the Kustomization that it comes from.
func verify(objects install.Objects, namespace string) error {
	for _, obj := range objects.Of("Deployment") {
		if obj.GetNamespace() != namespace || obj.GetLabels()["app.kubernetes.io/component"] != "fluxd" {
			continue
		}
		own, err := install.ReadController(obj)
		if err != nil {
			return err
		}
		o, err := understand(own)
		if err != nil {
			return fmt.Errorf("the arguments of the Deployment %s: %w", own, err)
		}
		controllers, err := objects.Controllers()
		if err != nil {
			return err
		}
		s := o.alone()
		if o.compatArgs {
			if s, err = o.heed(controllers); err != nil {
				return err
			}
		}
		if err := accountOfRoot(objects, namespace, s.kustomize.tenancy.account); err != nil {
			return err
		}
	}
	return nil
}

// accountOfRoot refuses a Kustomization that fluxd comes from and that would be applied
// as an account without rights.
func accountOfRoot(objects install.Objects, namespace, account string) error {
	if account == "" {
		return nil
	}
	for _, obj := range objects.Of(api.KustomizationKind) {
		spec, _ := obj.Object["spec"].(map[string]any)
		if obj.GetName() == namespace && obj.GetNamespace() == namespace && spec["serviceAccountName"] == nil {
			return fmt.Errorf("the Kustomization %s names no service account, and those that name none are applied as %q: patch spec.serviceAccountName to %s in it",
				namespace, account, api.ComponentKustomize)
		}
	}
	return nil
}

// preflight tells what the Flux controllers on a cluster are told that counts for fluxd,
// and what they have that it lacks. An error says that it does not start beside them. The
// fluxd is the one that is there, or would be.
func preflight(controllers []install.Controller, fluxd install.Controller) (taken, lost []string, err error) {
	o, err := understand(fluxd)
	if err != nil {
		return nil, nil, fmt.Errorf("the arguments of the Deployment %s: %w", fluxd, err)
	}
	s, err := o.heed(controllers)
	if err != nil {
		return nil, nil, err
	}
	s.heeded(func(c install.Controller, args string) { taken = append(taken, c.String()+" "+args) })
	for _, c := range controllers {
		lost = append(lost, lacks(c, fluxd)...)
	}
	return taken, append(lost, s.notes...), nil
}

// usual is what the Deployments of Flux controllers have by their manifests, and fluxd
// needs not, or has in its own way.
var usual = []string{"RUNTIME_NAMESPACE", "GOMEMLIMIT", "GOMAXPROCS", "TUF_ROOT", "SOURCE_CONTROLLER_LOCALHOST", "temp", "data"}

// lacks lists what a Flux controller has and fluxd has not.
func lacks(c, fluxd install.Controller) []string {
	var lost []string
	for name := range c.Env {
		if _, has := fluxd.Env[name]; !has && !slices.Contains(usual, name) {
			lost = append(lost, fmt.Sprintf("%s has the variable %s, and fluxd has not", c, name))
		}
	}
	for _, volume := range c.Volumes {
		if !slices.Contains(fluxd.Volumes, volume) && !slices.Contains(usual, volume) {
			lost = append(lost, fmt.Sprintf("%s mounts the volume %s, and fluxd does not", c, volume))
		}
	}
	for name := range c.Identity {
		if _, has := fluxd.Identity[name]; !has {
			lost = append(lost, fmt.Sprintf("the ServiceAccount of %s has the annotation %s, and that of fluxd has not", c, name))
		}
	}
	slices.SortFunc(lost, strings.Compare)
	return lost
}
