// Package gittest serves real Git repositories on loopback, for tests and for
// the demo: over HTTP through git's own http-backend, and over SSH through
// git's own upload-pack and receive-pack. It needs a git binary, which fluxd
// itself does not.
package gittest
