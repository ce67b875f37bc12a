// Package buckettest holds object stores that behave, for tests: they check what they
// are sent, signatures included, list in pages, and can be told to misbehave.
package buckettest
