// Package controlplane starts a real Kubernetes control plane on loopback for
// tests, benchmarks and the demo: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, and simulated nodes on which Pods
// come to life without running anything.
//
//	cp, err := controlplane.Start(ctx, controlplane.Options{})
//	defer cp.Stop()
//	config, err := clientcmd.BuildConfigFromFlags("", cp.Kubeconfig())
//
// All parts are one program, built from the module test/cluster when it is
// first needed (minutes, then kept in the user's cache directory). A start
// takes seconds. Every process is a child of the caller and is killed by the
// kernel when the caller dies, so nothing is left behind by a test run that
// ends badly (on Linux; elsewhere only by [ControlPlane.Stop]).
//
// Pods do as their annotations say: see package test/cluster/nodes for how to
// get one that stays unready, fails, or takes its time.
//
// There are no container runtime, no kubelet API (logs, exec), no volumes, no
// load balancers and no cluster network: Services get addresses and endpoints,
// which nothing routes.
package controlplane
