// Package program builds the programs that tests run beside the daemon, such as
// a control plane or a registry, and runs them.
//
// A program is a module of its own below test/, so that what it is made of never
// shows in the daemon's module graph. It is built when it is first needed and
// kept in the user's cache directory, by a hash of all that it is made of. What
// runs is a child of the caller, and the kernel kills it when the caller dies (on
// Linux; elsewhere only [Process.Kill] and [Process.Stop] end it).
package program
