// Package world gives end-to-end tests a namespace each on a cluster that they
// share, and words for what happens there: create, wait, request, count.
//
// What fails ends the test. NS in a manifest is the test's namespace. Waiting is
// done on watches.
package world
