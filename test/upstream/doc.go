// Package upstream runs the servers that sources read from, on loopback, for the
// end-to-end tests, the benchmarks and the demo: an OCI registry, an S3 server,
// an index of Helm charts, and the emulator of Azure's blobs.
//
// Clients come in through a [Door] in this process, which speaks TLS if asked
// to, counts what they ask for, and can be shut as if the server were gone. What
// is behind the door of a registry or an S3 server is the real thing: a program
// built from the module test/servers when it is first needed, which dies with
// this process.
package upstream
