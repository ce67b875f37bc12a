// Package clusters says who applies for an owner: as whom, and to which cluster.
//
// [Clusters] hands out an [apply.Applier] per owner and pass. There is one applier
// for this cluster and one for each other cluster that some owner names, by the
// content of its kubeconfig: a Secret that changed leads to a new one at once. Each
// identity is a view of the applier of its cluster, over the same connections.
//
// # As whom
//
// The service account is that of the spec, else the default one; where a default is
// set, nobody acts as the process itself. It acts in the namespace of its owner and
// no other, also on another cluster. A name that no service account can have is
// refused, so that no user of another kind can be made of it.
//
// Secrets, ConfigMaps and service accounts that lead to a cluster are read as the
// process, in the namespace of the owner.
//
// # Other clusters
//
// A kubeconfig is rebuilt from what it may say, see [kube.ParseKubeconfig], and the
// server that it names is trusted with nothing, see [kube.Remote]. Its objects are
// read when they are needed instead of watched, and its records are its own: no
// answer of it can change what is remembered of this cluster. An owner finds out
// whether the cluster answers before anything else, at most one at a time; the others
// get [ErrConnecting] or the last failure at once, so that a cluster that is away
// holds one worker, for seconds.
//
// A ConfigMap may name a cluster of a cloud instead. The cloud is asked where that is,
// and for tokens, as a service account or as the process, see package identity. What
// the process may is sent nowhere but there. A cloud that is silent holds up one object
// at a time, as a cluster does.
//
// What nobody names any more is closed. The number of clusters is bounded: the one
// that was used least recently is closed, and its owners start from nothing.
package clusters
