// Package git reads Git repositories over HTTP and SSH, and pushes single commits
// to them, without a git binary and without a work tree on disk.
//
// A [Remote] is a repository and the right to read it. [Remote.Connect] asks it
// for its references, which is one small request; [Session.Resolve] finds the
// commit that a [Ref] stands for; [Session.Fetch] gets that commit, and no more
// of the history than the server makes it take, into memory and turns it into a
// snapshot:
//
//	connect ─▶ resolve ─▶ (known already? done) ─▶ fetch ─▶ verify ─▶ snapshot
//
// [Remote.Push] puts a commit of changed files on top of one that was fetched. It
// needs no history, sends nothing but what is new, and moves the branch only if it is
// where that commit was.
//
// Everything that comes in is bounded: the bytes received, the bytes and number
// of files unpacked, redirects and time. Credentials go to the host they were
// given for and no other, and appear in no error.
package git
