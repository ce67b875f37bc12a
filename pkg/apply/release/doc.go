// Package release is a release of a Helm chart in the cluster, step by step.
//
// A [Releaser] installs, upgrades, tests, rolls back, uninstalls and unlocks releases,
// and keeps them in Secrets as Helm does, so that Helm and the stock controller read
// and continue what it wrote, and the other way round. Manifests are rendered
// elsewhere; objects are written by an [apply.Applier].
//
// # Steps
//
// Every action is a call that goes as far as it can without waiting for anything but
// answers of the API server. It returns a [Step]: done, with the revisions that it
// wrote, or what it waits for and until when. Called again, also by another process
// after this one was killed, it goes on from there. Nothing of an action is kept in
// memory that cannot be lost.
//
// Where an action is, is written in the Secret of the revision that it is about: its
// status, and a mark, which is the annotation fluxd.io/release with a small document
// in JSON, see [mark]. The mark names the attempt that the caller gave the action, so
// that everybody knows whose it is. A pending revision without a mark is somebody
// else's, who may have died: that is what [Releaser.Unlock] is for.
//
//	            ┌ prepare ┐  nothing is stored; an error leaves nothing behind
//	            └────┬────┘
//	                 ▼ create the Secret (pending-*), or update it (uninstalling)
//	pre     hooks of the first event, one after the other
//	write   objects are created, changed and deleted
//	wait    until the objects are healthy, or gone
//	post    hooks of the second event
//	end     others superseded, then this one deployed     mark: ended
//	fail    what hooks and a failed upgrade left is cleaned up, then failed
//	                                                      mark: ended, with why
//
// The step is written down before a hook runs, before a wait and with a failure; one that
// needs none of that costs no write. What is done twice, because the process died between
// doing and writing, is what can be done twice: an apply of the same objects, a delete of
// what is gone. An install without hooks whose objects are healthy at once takes two
// writes of its Secret, as many as Helm's.
//
// A hook cannot be done twice, so each has a mark of its own. It is running before it is
// created and started when the API server has said that it is created, and both are
// written down before anything else is done:
//
//	(none) ──▶ cleared ──▶ running ──▶ started ──▶ succeeded | failed
//	   delete what the  create it    wait for it
//	   last run left
//
// A hook that was found running and exists has been created by this attempt, because
// what the last one left was gone before, or is known. Where it does not exist, it has not been
// created, and is. A hook that was started and is gone has succeeded if it deletes
// itself when it is done, and is waited for in vain otherwise. What remains is a
// Job that was created, finished and deleted itself within the moment before it was
// noted as started, if the process died in that moment: it runs twice.
//
// The mark of an action that has ended stays until the next action: with it, a caller
// who died before it could save what came of the action finds out, see
// [Observation.Attempt].
//
// # What is promised
//
//   - No revision is lost or doubled: the Secret of a new one is created under a name
//     that there can be only once, with its mark in it, before anything else is done.
//   - A hook that has succeeded does not run again in the same attempt.
//   - Deadlines are moments in the mark. A restart extends none.
//   - Every write of a Secret says which version it is based on, so that of two
//     writers one finds out.
//   - Secrets are read and written as the identity of the [Target], and what is
//     remembered of one counts only for the owner that has itself read or written it
//     with this identity.
//   - What a stored release has beyond what is known here is kept when it is written
//     again. A corrupt one is an error that says which it is.
//   - No chart is kept. What is remembered of a release is what an [Observation] has.
package release
