// Package sops tests that fluxd decrypts files exactly as the sops packages do: the
// same files, to the same bytes.
//
// TestFiles encrypts with the original and compares what both make of it. With
// -update it also writes the files that the tests of pkg/render/decrypt read, so that
// those need no other module.
package sops
