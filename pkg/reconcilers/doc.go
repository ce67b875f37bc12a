// Package reconcilers is the plugin contract: what a kind promises the engine,
// and what the engine promises a kind.
//
// A kind lives in a folder of its own below this one and exports one name,
// Plugin. The package all holds the one list of them. The engine knows no
// kind, and a kind knows no engine.
//
// The engine promises a reconciler that an object is run by one worker at a
// time, that the object it gets is a private copy, that whatever it writes to
// the status of that copy is saved, and that a change of a reference during a
// run causes exactly one more run.
//
// A reconciler promises never to sleep, never to write status or finalizers
// itself, and never to set the conditions Ready, Reconciling and Stalled:
// those follow from what it returns.
package reconcilers
