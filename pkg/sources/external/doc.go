// Package external fetches artifacts that others offer: an archive at a URL, with
// the digest that it must have.
//
// A [Fetcher] is asked for an artifact and answers at once: with its tree if that is
// in the store, else with an error that says how far it is. Fetching goes on in the
// background, a few artifacts at a time, so that a server that is slow holds up
// nobody who does not need it. When a fetch ends, well or badly, those who wait are
// woken. A fetch that failed is repeated when somebody asks again and its delay is
// over, never by itself: what nobody wants is not fetched.
//
// Nothing of an archive is stored unless its digest is right. Time, bytes, entries
// and redirects are bounded; a server that sends nothing for half a minute, or next
// to nothing in the long run, or is not done after five minutes, is given up on.
package external
