// Package apply is objects in, cluster changed: plan, order, write, prune, wait, inventory.
//
// An [Applier] brings the objects of one kind of owner, say every Kustomization,
// to one cluster. A pass over an owner is three calls and none of them waits for
// anybody but the API server:
//
//	plan, err := a.Plan(ctx, request)       // reads records; writes nothing
//	            save plan.Additions          // the inventory is written ahead
//	outcome, err := a.Apply(ctx, plan)       // dry-run a stage, write a stage
//	            outcome.Waiting? park        // a record's change calls Config.Wake
//	changes, left, err := a.Prune(ctx, owner, plan.Stale)
//	report, err := a.Health(ctx, owner, outcome.Inventory)
//
// A pass that has to wait, for a CRD to be established or for an object to be
// gone, ends with what it waits for. The next pass finds what is done unchanged,
// at no request, and goes on behind it. So there is no state of a pass to keep.
//
// # Live records
//
// For every kind in some inventory one watch selects the objects that carry the
// ownership label, and reduces each, before it is kept, to a record of about two
// hundred bytes: identity, version, health, the marks of section 1.4 of the
// contract, and two digests. The owned digest covers exactly the fields that our
// field manager owns; it tells drift. The content digest covers everything that a
// person would call a change; it tells whether a dry-run would change anything.
// No object is kept, so no Secret is.
//
// An object whose desired form is the one last sent, and whose owned digest is
// the one that sending left, needs no request. Everything else is a candidate:
// one dry-run, and one write if the dry-run differs.
//
// # Whose word counts
//
// Three speak of an object: its watch, the answers to our writes, and the answers to
// our reads. They are heard in any order, so what they say is put in order by resource
// version, and never by the time at which it was heard. The promise is: a record is
// what the watch has told, or it is newer than everything that the watch has told, in
// which case the watch will tell of it or of what came after. So once all is heard the
// records are the objects there are, and no drift or deletion is lost between a write
// and a list. It costs no request. It holds because
//
//   - a list has every object of its version: a record that it lacks is swept, also
//     while a write is on its way, unless it came in an answer after the list was asked
//     for and is newer than the list. A record from before that is swept even if it
//     seems newer: the cluster was restored from a backup.
//   - an answer that is older than the record, or that is of an object which the watch
//     does not have although it has told everything up to that version, is late. It
//     says how we left the object, and what became of that is judged at once.
//   - an event that is older than the record is late, too.
//   - that an object was not found has no version. It counts only if nothing was told
//     of the object since it was asked for.
//
// The versions of one resource are numbers that can be compared; Kubernetes promises
// it (KEP-5504), though not for every aggregated API server. Of those that cannot be,
// the watch is believed where it has spoken of the object since the write began, or
// where its list lacks the object, and the answer otherwise. That is never wrong for
// longer than until the next event, which is on its way then. It may wake an owner for
// nothing; it misses no drift.
//
// # Tenants
//
// An applier that acts as somebody else, see [Applier.As], sends every request of a
// pass as them: dry-runs, writes, deletes, and reads. The watches stay ours, one per
// kind whoever applies it, because a tenant seldom may watch and a watch per tenant
// and kind would cost what the records save. So the records know more than a tenant
// may, and are told it by one rule only: a record counts for an owner if the same
// owner has left the object under the same name, which took the right to write it.
// About everything else the API server is asked as the tenant, and a refusal is the
// answer: neither existence, nor health, nor marks leak, and an inventory that was
// forged deletes nothing. Another service account in the spec starts from nothing.
//
// What remains is time. Who loses a right keeps hearing of the health of what it
// wrote before, and is told of its loss when something has to be written, at the
// full resync at the latest.
//
// # What is promised
//
//   - Nothing of a stage is written unless every candidate of the stage passed its
//     dry-run, and nothing is deleted to be replaced before that either.
//   - Writes of one order class run concurrently; classes follow each other.
//   - A delete carries the UID whose ownership was checked.
//   - Our own writes wake nobody. A drift of ours wakes its owner, and an owner
//     that keeps losing a fight over a field is woken less and less often.
//   - Errors are sorted and joined; those about Secrets never quote a body.
//   - The number of requests in flight is bounded per Applier, and at rest there is
//     a goroutine per watched kind, none per object or owner.
//
// Nothing here sleeps, logs, or knows what an error means to a Kustomization.
package apply
