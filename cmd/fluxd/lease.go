package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"github.com/fluxd/fluxd/pkg/kube"
)

// ourLease is the component whose Lease only processes of this program hold.
const ourLease = "fluxd"

// leaseName returns the name of the Lease of a component. Processes that look
// after different shards hold different ones.
func leaseName(component, selector string) string {
	name := component + "-leader-election"
	if selector == "" {
		return name
	}
	sum := sha256.Sum256([]byte(selector))
	return name + "-" + hex.EncodeToString(sum[:4])
}

// identity returns a name for this process that no other has.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "fluxd"
	}
	return host + "_" + rand.Text()
}

// holderPrefix begins the names under which this program holds the Leases of the
// Flux controllers, so that the next process knows them.
const holderPrefix = "fluxd_"

// lead works while this process holds its Lease and, unless told otherwise, those
// of the Flux controllers that it replaces. One of them that still runs is waited
// for, and one that is started later waits.
func (d *daemon) lead(ctx context.Context) error {
	o := d.options
	own := kube.LeaseOptions{
		Namespace: o.namespace, Name: leaseName(ourLease, o.watchSelector), Identity: identity(),
		Duration: o.leaseDuration, Renew: o.electionRenewDeadline, Retry: o.electionRetry,
		Release: o.electionRelease,
		// Ready is who waits for another one to end, and not who waits for an API server.
		Waiting: func(string) { d.server.standby() },
		Failing: func(err error) {
			d.log.Error(err, "cannot take or renew the Lease; it is tried again", "lease", o.namespace+"/"+leaseName(ourLease, o.watchSelector))
		},
	}
	work := d.work
	if o.compatLeases {
		for _, component := range d.components() {
			work = d.holding(d.stockLease(own, component), work)
		}
	}
	return d.holding(own, work)(ctx)
}

// stockLease returns how the Lease of a Flux controller is held: long, since every
// renewal is a write to the API server. What an earlier process of this program
// left is taken at once, as whoever asks holds our own Lease.
func (d *daemon) stockLease(own kube.LeaseOptions, component string) kube.LeaseOptions {
	own.Name = leaseName(component, d.options.watchSelector)
	own.Identity = holderPrefix + own.Identity
	own.Duration, own.Renew, own.Every = 5*time.Minute, 4*time.Minute, 100*time.Second
	own.Predecessor = func(holder string) bool { return strings.HasPrefix(holder, holderPrefix) }
	own.Failing = func(err error) {
		d.log.Error(err, "cannot take or renew a Lease of a Flux controller; it is tried again", "lease", own.Namespace+"/"+own.Name)
	}
	own.Waiting = func(holder string) {
		d.server.standby()
		d.log.Info("waiting for a Flux controller that is still running to give its Lease back",
			"lease", own.Namespace+"/"+own.Name, "holder", holder)
	}
	return own
}

// holding returns work as done while a Lease is held.
func (d *daemon) holding(lease kube.LeaseOptions, work func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		elector, err := kube.NewElector(d.clients, lease, clock.RealClock{})
		if err != nil {
			return err
		}
		metrics := d.server.metrics
		metrics.Leading(lease.Name, false)
		return elector.Lead(ctx, func(ctx context.Context) error {
			metrics.Leading(lease.Name, true)
			defer metrics.Leading(lease.Name, false)
			return work(ctx)
		})
	}
}

// components returns the Flux controllers whose kinds are reconciled, each once.
func (d *daemon) components() []string {
	var all []string
	seen := map[string]bool{}
	for _, plugin := range d.registry.Plugins() {
		if c := plugin.Options().Controller; !seen[c] {
			seen[c] = true
			all = append(all, c)
		}
	}
	return all
}
