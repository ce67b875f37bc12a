// Package render is files in, objects out.
//
// A build is a function from a [Tree] and its inputs to documents. While it
// runs it notes in a [Trace] what it looked at, so that a [Cache] knows later
// whether another tree would be built the same: then nothing is built, and the
// documents of the last build are had again.
//
// The folders below hold the steps: kustomize builds. A step that edits single
// documents, as decryption and substitution do, is an [Edit] of a [Job] and runs
// behind the build.
//
// Nothing here touches a client, logs, or knows what an error means to an object.
// What was rendered may hold secrets: it is kept in memory only.
package render
