package install

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

var accounts = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}

// identities are the annotations of a ServiceAccount by which clouds know its Pods.
var identities = []string{"eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id"}

// controllers tells what the Deployments of Flux controllers mean for fluxd, where there
// are some.
func (c *checker) controllers(ctx context.Context) {
	found, _, err := c.Controllers(ctx, c.Namespace)
	if err == nil {
		err = c.identify(ctx, found)
	}
	if err != nil {
		c.fail("%v", err)
		return
	}
	if len(found) == 0 {
		return
	}
	c.progress.Step("checking the Flux controllers, whose arguments count for fluxd")
	fluxd, err := c.process(ctx)
	if err != nil {
		c.fail("%v", err)
		return
	}
	taken, lost, err := c.Preflight(found, fluxd)
	if err != nil {
		c.fail("fluxd does not start beside them: %v", err)
		return
	}
	for _, line := range taken {
		c.progress.Done("%s", line)
	}
	for _, line := range lost {
		c.progress.Note("%s", line)
	}
}

// process returns the fluxd that is there, or the one that would be.
func (c *checker) process(ctx context.Context) (Controller, error) {
	d, err := c.Get(ctx, deployments, c.Namespace, program)
	if err != nil {
		return Controller{}, err
	}
	if d == nil {
		o := DefaultOptions("dev")
		o.Namespace = c.Namespace
		objects, err := Process(ctx, o)
		if err != nil {
			return Controller{}, err
		}
		d = objects.Of("Deployment")[0]
	}
	fluxd, err := ReadController(d)
	if err != nil {
		return fluxd, err
	}
	one := []Controller{fluxd}
	err = c.identify(ctx, one)
	return one[0], err
}

// identify looks up the accounts of processes.
func (c *checker) identify(ctx context.Context, processes []Controller) error {
	for i := range processes {
		p := &processes[i]
		if p.Account == "" {
			continue
		}
		account, err := c.Get(ctx, accounts, p.Namespace, p.Account)
		if err != nil {
			return err
		}
		if account == nil {
			continue
		}
		p.Identity = make(map[string]string)
		for name, value := range account.GetAnnotations() {
			if slices.Contains(identities, name) {
				p.Identity[name] = value
			}
		}
	}
	return nil
}
