// Package harness runs the daemon against a cluster for the end-to-end tests,
// the demo and the benchmarks: it builds and starts fluxd as a child process,
// measures it, and talks to the cluster.
//
// Waiting is done on watches, so that what is measured is the daemon and not
// the pause of a poll.
package harness
