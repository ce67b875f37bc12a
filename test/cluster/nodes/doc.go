// Package nodes plays the part of the kubelets of a cluster that has none. It
// registers nodes and keeps their leases fresh, and it moves the Pods that the
// scheduler binds to them through their lives: started, ready, finished,
// deleted. No container ever runs.
//
// A Pod whose restart policy is Always becomes ready and stays so. Any other
// Pod runs for a moment and succeeds, as those of a Job should. A terminating
// Pod is gone at once, whatever grace it was given.
//
// Annotations of a Pod make it behave otherwise, and are followed when they
// change on a live Pod. They go into the Pod template of a Deployment or Job:
//
//	fluxd.test/ready-after: 5s         runs, and is ready only 5 seconds later
//	fluxd.test/never-ready: "true"     runs, and is never ready
//	fluxd.test/waiting: SomeReason     its containers never start, for this
//	                                   reason, such as ImagePullBackOff
//	fluxd.test/fail: "true"            its containers exit with 1: a Job's Pod
//	                                   fails, any other crashes in a loop
//	fluxd.test/run-for: 3s             runs this long before it succeeds or fails
//
// What needs a real kubelet is missing: logs, exec, probes, images, volumes,
// metrics and the network.
package nodes
