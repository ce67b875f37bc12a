// Package report keeps what the benchmarks have measured and shows it: as a table in a
// terminal, and as docs/benchmarks.md with a chart for each section.
//
// A [Section] is one thing that was measured, of fluxd and, where that makes sense, of
// the Flux controllers in the same run. Sections are kept as JSON beside the page, so
// that a later run of some of them replaces these and leaves the others. Section by
// section both columns are of one run, since only then does their ratio say anything.
package report
