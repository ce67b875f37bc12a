// Package preview says what fluxd would do, without doing it.
//
// A preview is of one object that applies others, such as a Kustomization, and if
// asked for of everything that is reachable from it: the objects of such kinds that it
// applies, and what they apply. The content is that of any revision, branch or folder;
// all else is what the cluster has at that moment.
//
// The plugins of the daemon do the work, in a world of their own: sources fetch into a
// store that is thrown away, and what they read is the cluster as the preview so far
// would leave it, so that a Kustomization that would be created, or whose spec would
// change, is looked at as it would be. Nothing here knows how a kind builds or applies.
// A kind joins by implementing [reconcilers.Previewer], and needs nothing else.
//
// # What is promised
//
//   - Nothing is written to the cluster: the only requests that are not reads are
//     dry-runs.
//   - Objects are fetched, built, decrypted, substituted, impersonated and compared by
//     the code that applies them. What is said to be created, changed or deleted is
//     what the apply of that content would do, if nothing changes in between.
//   - No value of a Secret is told.
//   - One preview keeps at most the files of its sources and one build at a time in
//     memory, and looks at a bounded number of objects.
//
// # What is not foreseen
//
// What only an apply brings about: objects that controllers make of others, rights that
// the same apply grants, and what the API server would say of an object whose namespace
// or kind is only created. Such objects are marked. Nor does a preview wait for
// dependencies or health: it says what is applied, not when.
//
// # Who may see what
//
// On the command line the credentials of the caller make every request. The daemon has
// more rights than its callers, so [Handler] asks the API server about each of them:
// see [access].
package preview
