// Package charts tests that fluxd makes of a chart and values what Helm makes of them:
// byte for byte what Helm 4 does, whose rules Flux follows, and what Helm 3 does but for
// the few things that the newer version does differently, which are named.
//
// The charts are those that Helm tests itself with, those of well-known projects whose Go
// modules have them, and some of our own, as large and as clever. A module that cannot be
// had makes its test skip and say so.
package charts
