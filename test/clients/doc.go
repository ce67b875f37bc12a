// Package clients tests fluxd with the programs that people drive Flux with: the
// released flux command line and kubectl, neither of them changed.
//
// A test states what somebody sees who types a command: how it ends, the lines that
// matter, and what becomes of the cluster. The manifests of deploy/ are installed, and
// the daemon runs with the account that they give it, so that whatever a command looks
// for is what an installation has. The command line is the one that [harness.FluxCLI]
// finds or builds; without one its tests are skipped, and say why.
package clients
