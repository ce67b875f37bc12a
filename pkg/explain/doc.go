// Package explain tells people why an object is as it is: what it waits for and since
// when, what will wake it, when it runs next, and what is at the root of it all.
//
// [Explainer.Explain] gathers facts about an object and about what it reads, as far as
// that may matter, and judges them. Facts come from a [World]: that of a running process
// knows where objects stand in the engine and which artifacts are in memory; a [Cluster]
// knows what the API server tells anybody, and so the same works without a process, if
// less well. [Explainer.Tree] and [Explainer.Trace] need the cluster alone.
//
// # What is promised
//
//   - Nothing is written, and nothing that runs is held up.
//   - What a caller may not read is not told, whoever does the reading: each object that
//     a fact is about is asked for by [Config.May] first. That there is a reference to it,
//     and what an object that the caller may read says of it, is not secret.
//   - It ends: objects, hops and reads are bounded, and a cycle is named as one. What was
//     left out is said.
//   - No kind is known by name where its fields say as much: a reference is found by the
//     shape that the kinds of Flux give it. A kind that appears is explained the same way.
//
// What an object does is decided elsewhere, by its reconciler; this package compares the
// reason that was given with what is seen of the references, and follows the first
// reference that fits. Where none does, the reason itself is the root.
package explain
