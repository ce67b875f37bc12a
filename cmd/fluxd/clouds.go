package main

import (
	"github.com/fluxd/fluxd/pkg/events"
	cloud "github.com/fluxd/fluxd/pkg/identity"
)

// cloudAccount returns the ServiceAccount by whose identity sources without one ask
// clouds, empty for that of the process. It is the account by which they would apply,
// where identities of ServiceAccounts are in use at all: who locks tenants into their
// accounts means this as well.
func (o *options) cloudAccount() string {
	if !o.gates["ObjectLevelWorkloadIdentity"] {
		return ""
	}
	return o.tenancy.account
}

// clouds returns what gets credentials of clouds. It costs nothing until it is
// asked.
func (d *daemon) clouds(accounts cloud.Accounts) *cloud.Clouds {
	o, m := d.options, d.server.metrics
	c := cloud.New(cloud.Options{
		Accounts: accounts, ObjectLevel: o.gates["ObjectLevelWorkloadIdentity"],
		CacheSize: o.tokenCacheSize, CacheTime: o.tokenCacheTime,
		Event: func(who cloud.Object, hit bool) { m.TokenAsked(who.Kind, who.Namespace, who.Name, who.Operation, hit) },
	})
	if o.tokenCacheSize > 0 {
		m.Tokens(func() events.TokenUse {
			s := c.Stats()
			return events.TokenUse{Items: s.Items, Successes: s.Successes, Failures: s.Failures, Evictions: s.Evictions}
		})
	}
	return c
}
