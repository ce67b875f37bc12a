// Package helm is a chart and values in, manifests out. It touches no cluster: what a
// template asks of one goes through a function that is handed in.
//
//	archive ─▶ Chart ─▶ values coalesced ─▶ schema ─▶ templates ─▶ post-renderers ─▶ hooks, manifest
//	                     subcharts chosen
//
// # The engine
//
// The rules are those of Helm 4, which is what Flux runs: its template functions, its
// handling of null values, its order of kinds. The code is our own, for two reasons. A
// template of Helm's engine cannot be stopped, may exhaust memory, and may end the
// process by recursion; here every loop, call and write is counted against [Limits] and
// ends with its context. And Helm's packages for values and templates link the types of
// every API group, tens of MiB that nothing here needs. A module below test/ holds the
// output against that of both Helm 3 and Helm 4.
//
// # Sharing
//
// A [Chart] never changes once it is loaded. [Charts] has each only once, by the digest
// of its artifact, and lets go of those that nobody has used for a while. Rendering
// builds a view of its own over it, in which subcharts are left out, renamed and have
// values imported, so that no copy of a template is ever made.
//
// # Values
//
// [Compose] merges values from references and the inline ones to the letter of what
// Flux does, since the digest of the result, [ConfigDigest], decides over upgrades.
// [ValuesFiles] are values from files, plain or encrypted with SOPS, which come before.
//
// # Errors
//
// Errors of charts and values are for the one who wrote them: they wrap [ErrChart],
// [ErrValues], [ErrSchema], [ErrTemplate], [ErrManifest], [ErrPostRender] or [ErrLimit].
// A template error can quote values, as with Helm.
package helm
