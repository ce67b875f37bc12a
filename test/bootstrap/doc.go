// Package bootstrap tests what a person does with fluxd on a cluster: install it,
// bootstrap from a repository, look how it is doing, take it off again, against a real
// control plane and real Git servers.
//
// The nodes of that control plane run nothing. So a [keeper] does for the Deployment
// fluxd what a kubelet would: it runs the daemon with the arguments of the Deployment,
// replaces it when these change, and ends it when the Deployment goes.
package bootstrap
