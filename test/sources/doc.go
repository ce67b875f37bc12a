// Package sources tests the kinds that hold artifacts as a whole daemon on a real
// control plane, against the servers that they are for: an OCI registry, an S3
// server, an index of Helm charts, and Azure's emulator.
//
// One control plane and one daemon serve most tests, each of which has a namespace
// and servers of its own. A test that ends or starves the daemon has its own.
package sources
