package kustomization

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/clusters"
	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/fault"
)

// tenancy says who applies for an object; [clusters.Clusters] knows.
type tenancy struct {
	connect func(ctx context.Context, owner apply.Owner, id clusters.Identity) (applier, error)
	missing func(ctx context.Context, owner apply.Owner, id clusters.Identity) (bool, error)
	forget  func(owner apply.Owner)
}

func tenancyOf(c *clusters.Clusters) tenancy {
	return tenancy{
		missing: c.AccountMissing, forget: c.Forget,
		connect: func(ctx context.Context, owner apply.Owner, id clusters.Identity) (applier, error) {
			a, err := c.For(ctx, owner, id)
			if err != nil {
				return nil, err // and no applier that is nil
			}
			return a, nil
		},
	}
}

// identity is what spec says about who applies.
func identity(obj *v1.Kustomization) clusters.Identity {
	return clusters.Identity{Account: obj.Spec.ServiceAccountName, KubeConfig: obj.Spec.KubeConfig}
}

// connectRecheck is how long to wait while another object finds out whether the
// cluster answers.
const connectRecheck = 2 * time.Second

// connect finds out who applies for the object in this pass.
func (p *pass) connect(ctx context.Context) error {
	err := p.reach(ctx)
	if err == nil || ctx.Err() != nil || isWaiting(err) {
		return err
	}
	return fault.Failed(api.ReasonReconciliationFailed, err)
}

// reconnect is connect for an object that is deleted. It is kept until that succeeds.
func (p *pass) reconnect(ctx context.Context) error {
	err := p.reach(ctx)
	if err == nil || ctx.Err() != nil || isWaiting(err) {
		return err
	}
	return fault.Backoff(api.ReasonReconciliationFailed, err)
}

func isWaiting(err error) bool {
	_, is := errors.AsType[*fault.WaitingError](err)
	return is
}

func (p *pass) reach(ctx context.Context) error {
	a, err := p.tenancy.connect(ctx, p.owner(), identity(p.obj))
	switch {
	case errors.Is(err, clusters.ErrConnecting):
		return fault.Cold(api.ReasonProgressing, err, connectRecheck)
	case err != nil:
		return fmt.Errorf("failed to build kube client: %w", err)
	}
	p.applier = a
	if p.obj.Spec.KubeConfig != nil {
		p.applier = hurried{applier: a, until: time.Now().Add(p.obj.GetTimeout()), timeout: p.obj.GetTimeout()}
	}
	return nil
}

// accountGone says whether the objects of p are left behind because the service
// account that may delete them is not there any more, as when a namespace goes with
// all that is in it. It tells people.
func (p *pass) accountGone(ctx context.Context, inventory apply.Inventory) (bool, error) {
	missing, err := p.tenancy.missing(ctx, p.owner(), identity(p.obj))
	if err != nil {
		return false, fault.Backoff(api.ReasonPruneFailed, err)
	}
	if !missing {
		return false, nil
	}
	subjects := make([]string, len(inventory))
	for i, e := range inventory {
		subjects[i] = e.String()
	}
	p.publish(events.Error, api.ReasonPruneFailed, "unable to prune objects: \n"+strings.Join(subjects, "\n"))
	return true, nil
}
