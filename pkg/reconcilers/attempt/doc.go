// Package attempt holds what one reconcile of any source is made of.
//
// An [Attempt] keeps the conditions that all sources have, reads Secrets as TLS
// settings, proxies and credentials, gives the source a transport whose bytes are
// counted as its own, and publishes what was fetched: the artifact is in the store
// before the status says so, never after. What differs between kinds, such as what
// a revision is and when something is new, stays with them.
//
// An error is classified once, by the method that is named after its meaning:
// [Attempt.Stalled] for what only an edit can mend, [Attempt.Refused] for what the
// origin, or the lack of a Secret, did not allow, [Attempt.StorageFailed] for what
// could not be made or kept. A host that asked for a pause is not asked before it is
// over.
package attempt
