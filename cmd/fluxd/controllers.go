package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/events"
	"github.com/fluxd/fluxd/pkg/install"
	"github.com/fluxd/fluxd/pkg/kube"
)

// unanswered is after how long the API server is asked again that did not answer.
const unanswered = 2 * time.Second

// refusals is how often in a row the API server may forbid us to look before that counts:
// one that has just started forbids everything until it has read who may what.
const refusals = 10

// learn sets the settings, by what the Deployments of Flux controllers say. It waits for
// an API server that does not answer: without one there is nothing to do anyway, and to
// go on without what they say could mean to go on without a lockdown. It asks again after
// a pause.
func (d *daemon) learn(ctx context.Context, pause time.Duration) error {
	d.settings = d.options.alone()
	if !d.options.compatArgs || d.options.namespace == "" {
		return nil
	}
	cluster := &install.Cluster{Clients: d.clients}
	refused := 0
	for level := 0; ; level = 1 { // it is told once
		found, version, err := cluster.Controllers(ctx, d.options.namespace)
		if apierrors.IsForbidden(err) {
			refused++
		} else {
			refused = 0
		}
		switch {
		case apierrors.IsForbidden(err) && d.own.preview:
			return nil // whoever looks ahead may see less than the process that will act
		case refused == refusals:
			return fmt.Errorf("%w: the account needs the Role of deploy/, or what these are told, such as to lock tenants down, would not count; --compat-args=false says that it need not", err)
		case err == nil:
			d.heard, d.heardVersion = found, version
			return d.adopt(ctx)
		case version != "" || ctx.Err() != nil: // it answered, and it is no good
			return err
		}
		d.log.V(level).Info("waiting for the API server", "reason", err.Error())
		if !kube.Pause(ctx, pause) {
			return context.Cause(ctx)
		}
	}
}

// adopt takes over what the controllers say, and tells of it.
func (d *daemon) adopt(ctx context.Context) error {
	learned, err := d.own.heed(d.heard)
	if err != nil {
		d.refuse(ctx, d.heard, err)
		return err
	}
	learned.heeded(func(c install.Controller, args string) {
		d.log.Info("heeding the arguments of a Flux controller", "deployment", c.String(), "args", args)
	})
	for _, note := range learned.notes {
		d.log.Info("not heeded of the Flux controllers", "what", note)
	}
	d.settings, d.options = learned, learned.process
	return nil
}

// reasonRefused is that of the event about arguments that cannot be heeded.
const reasonRefused = "ArgumentsRefused"

// refuse tells at the Deployments why what they say cannot be heeded.
func (d *daemon) refuse(ctx context.Context, controllers []install.Controller, why error) {
	writer, err := kube.NewEventWriter(d.clients)
	if err != nil {
		return // it is in the log, too
	}
	recorder := events.NewRecorder(writer, identity(), logr.Discard())
	for _, c := range controllers {
		if _, err := d.own.hear(c); err == nil {
			continue
		}
		recorder.Handle(ctx, events.Fact{
			Subject: events.Subject{
				GroupVersionKind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Namespace: c.Namespace, Name: c.Name,
			},
			Severity: events.Error, Reason: reasonRefused, Message: why.Error(), Controller: "fluxd",
		})
	}
}

// errHeard ends a process that would have other settings if it were started now.
var errHeard = errors.New("the arguments of the Flux controllers have changed")

// relearn watches what the controllers say, and calls stop when the process would have
// other settings if it were started now, or when somebody restarts a controller. What
// cannot be heeded stops nothing: the process goes on as it is, like a Pod of Flux whose
// successor does not start, so that it can still apply what mends it.
func (d *daemon) relearn(ctx context.Context, stop context.CancelCauseFunc) {
	if d.heardVersion == "" {
		return
	}
	cluster := &install.Cluster{Clients: d.clients}
	heard := d.heard
	cluster.WatchControllers(ctx, d.options.namespace, d.heardVersion, func(found []install.Controller, err error) bool {
		if err == nil && slices.EqualFunc(found, heard, install.Controller.Same) {
			return true
		}
		var learned settings
		if err == nil {
			learned, err = d.own.heed(found)
		}
		if err != nil {
			heard = found
			d.log.Error(err, "going on as before: the arguments of the Flux controllers have changed and cannot be heeded")
			d.refuse(ctx, found, err)
			return true
		}
		restart := restarted(heard, found)
		heard = found
		if !restart && learned.String() == d.settings.String() {
			return true
		}
		d.log.Info("stopping in good order, to start with what the Flux controllers are told now")
		stop(errHeard)
		return false
	})
}

// restarted says whether somebody has restarted a controller.
func restarted(before, after []install.Controller) bool {
	return slices.ContainsFunc(after, func(now install.Controller) bool {
		return slices.ContainsFunc(before, func(then install.Controller) bool {
			return then.Name == now.Name && then.Restarted != now.Restarted
		})
	})
}
