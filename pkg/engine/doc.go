// Package engine wakes, queues, runs and settles objects of any kind.
//
//	watch ─▶ wake ─▶ queue ─▶ worker ─▶ plugin ─▶ settle ─▶ save ─▶ fact on the bus
//	           ▲                                     │
//	           └────────── schedule ◀────────────────┘
//
// What it promises a plugin is written down in package reconcilers. What it
// promises people:
//
//   - A worker is held by work, never by the passing of time or by somebody
//     else's progress. Waiting is state: a due time in the schedule and an edge
//     in the index of references.
//   - Every object that is not suspended, stalled or without an interval has a
//     next due time. A watchdog revives those that have none and counts them.
//   - Status is written when there is something to say: once early if a run
//     lasts, once at its end, not at all when nothing changed.
//   - An object that panics or does not decode harms no other. One that twice
//     took the process down is held back.
//
// The engine is the only writer of status and finalizers, and the only one who
// sets the conditions Ready, Reconciling and Stalled.
package engine
