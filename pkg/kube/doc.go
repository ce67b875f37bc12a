// Package kube is the API server's edge: everything fluxd knows about talking
// to Kubernetes and nothing about what it says.
//
//   - [Clients] opens the connections: one HTTP client, shared by all.
//     [Clients.As] acts as somebody else over the same connections. Requests that
//     are swallowed end, and watches do not go on in a history that was undone.
//   - [ParseKubeconfig] rebuilds what a tenant says of another cluster from what
//     may be said, and [Remote] talks to it without trusting it.
//   - [Cache] holds one shared informer per kind of ours, typed, without
//     managed fields, decoding object by object: one stored object that does
//     not decode becomes an [Undecodable] and the rest of its kind goes on.
//   - [Metadata] watches Secrets and ConfigMaps by name and version only.
//   - [Reader] reads Secrets and ConfigMaps live; [Secrets] keeps what sources have
//     read of Secrets until it changes.
//   - [Records] reads and writes what is kept in Secrets.
//   - [StatusWriter] is the only writer of status and finalizers.
//   - [EventWriter] writes Kubernetes events.
//   - [Mapper] maps kinds to resources from aggregated discovery.
//   - [Elector] holds a Lease so that one process acts at a time.
//
// The package stays clear of the typed clientset and of discovery clients that
// link it: the types of every API group are tens of MiB of binary, and fluxd
// needs none of them. Objects from a cache are shared and must not be changed.
package kube
