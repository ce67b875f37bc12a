// Package migration moves a live cluster from the Flux controllers to fluxd and back, as
// docs/migration.md has it, and looks at what that writes.
//
// The controllers are those in the folder that PEER_BIN names, which no test builds; the
// tests are skipped without it. The command line of Flux installs them on the cluster,
// whose nodes play the Pods of the Deployments and run nothing: the programs run beside
// the test, for as long as the Deployments have replicas.
package migration
