package main

import cloud "github.com/fluxd/fluxd/pkg/identity"

// clouds returns what gets credentials of clouds. It costs nothing until it is
// asked.
func clouds(o *options, accounts cloud.Accounts) *cloud.Clouds {
	return cloud.New(cloud.Options{
		Accounts: accounts, ObjectLevel: o.gates["ObjectLevelWorkloadIdentity"],
		CacheSize: o.tokenCacheSize, CacheTime: o.tokenCacheTime,
	})
}
