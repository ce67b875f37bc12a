// Package identity gets credentials from clouds by who one is instead of by a
// stored secret: from AWS, Azure and Google Cloud, for their registries, buckets,
// Git services and Kubernetes clusters.
//
// [Clouds] is the whole of it. The identity is either that of the process, as its
// environment, token files and metadata servers tell, or that of a ServiceAccount
// whose annotations name a role, application or account of the cloud; its token is
// exchanged for what the cloud wants. Which one it is, a [Request] says:
//
//	login, err := clouds.Registry(ctx, identity.Request{
//		Provider: identity.AWS, Namespace: "apps", ServiceAccount: "puller",
//	}, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app")
//
// Nothing happens before the first request, and nothing is kept but credentials
// that were asked for: for 80 % of their life, at most an hour, the most recently
// used ones. Requests for the same credentials at the same time share one call.
//
// Every call to a cloud ends after ten seconds, reads a bounded answer, follows no
// redirect, and goes to a host that follows from the provider and never from a
// tenant. Calls to metadata servers never go through a proxy. No error repeats a
// token, a key or a query string.
//
// The protocols are spoken with the standard library alone. The package imports
// nothing of Kubernetes; the two things that it needs to know about ServiceAccounts
// are told by [Accounts].
package identity
