// Package compat proves that the API types of fluxd are those of Flux, said in
// other words.
//
// Its tests generate the schemas of the published Go modules and compare them with
// deploy/crds: every property with its type, format, default, enumeration, pattern,
// bounds and CEL rules, what is required, printer columns, names, categories,
// subresources and scope. They send every published type through ours and back. And
// they check that each property is described, in none of the originals' sentences.
//
// When a test here fails after a new version of the modules was required, the
// schema has changed: change pkg/api, not the test.
package compat
