// Package forecast has the words for what a reconcile would do.
//
// An [Owner] is the forecast for one object that applies others, an [Object] that for
// one object that is applied. Three states of an object are told apart: as it is, as
// the revision that is applied now would have it, and as the new revision would. The
// step from the first to the second is drift, that from the second to the third is
// change, and an apply makes both at once.
//
// [Compare] tells the difference of two objects field by field. What may not be shown
// is gone before anybody has a [Field]: of a Secret only the names of its keys are
// told, and a text that it holds is never kept.
//
// The package knows values alone. It asks nobody, and writes nothing.
package forecast
