// Package bucket reads object stores: buckets of objects under keys.
//
// A [Service] is one bucket of some provider, made by the packages below this one:
// s3, gcs and azure. They speak plain HTTP, which is a few requests, where the vendors'
// libraries would be most of the program.
//
//	list ─▶ (same revision? done) ─▶ fetch what changed ─▶ snapshot
//
// [Source.List] reads the listing, page by page, and [Listing.Revision] is a digest of
// the keys and entity tags in it. An unchanged bucket thus costs its listing and
// nothing more. [Source.Fetch] gets the objects, many at a time, into a tree. What the
// tree before holds already is not fetched again: [Known] remembers, in a few bytes
// an object, which of them it was.
//
// Everything that comes in is bounded: the objects listed, their bytes, the pages and
// the time. Keys that cannot be paths of a tree are refused before anything is
// fetched. Credentials and query strings appear in no error.
package bucket
