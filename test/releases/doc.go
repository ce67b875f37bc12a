// Package releases tests HelmReleases as a whole daemon on a real control plane, with
// charts from an index, a registry and a Git repository.
//
// One control plane and one daemon serve most tests, each of which has a namespace of its
// own. A test that ends the daemon, or needs it otherwise, has its own.
package releases
