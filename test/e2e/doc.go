// Package e2e tests the whole daemon on a real control plane: what a user sees
// with kubectl after a commit, an edit, a fault or a restart.
//
// One control plane, one Git server and one daemon serve most tests, each of
// which has a namespace and a repository of its own. Intervals are ten minutes,
// so that whatever happens within a test happened because of an event. A test
// that stops, kills or starves the daemon has its own: see [newOwnWorld].
package e2e
