// Package oci reads artifacts from OCI registries: their tags, manifests and
// layers.
//
// A [Repository] is one repository of a registry and the right to read it.
// [Repository.Resolve] finds the manifest that a [Ref] stands for, which is one
// small request unless tags have to be listed; [Repository.Manifest] reads it,
// and [Repository.Extract] turns one of its layers into a tree:
//
//	resolve ─▶ (known already? done) ─▶ manifest ─▶ layer ─▶ tree
//
// After a reference was resolved, everything is asked for by digest and checked
// against it, so that a registry that lies is found out. A layer is unpacked
// while it arrives: neither it nor the files in it are ever held whole in the form
// they came in.
//
// Everything that comes in is bounded: the bytes received, what they unpack to
// and how far, the number, depth and length of names, pages, redirects and time.
// Credentials go to the registry they were given for, and to the token service
// that it names; they appear in no error.
package oci
