// Package fleet is what a small node looks after, for tests and benchmarks: twenty
// Kustomizations and ten HelmReleases, from every kind of source, with servers of their
// own that can be shut, and what happens to them in a day: commits, new charts, drift.
//
// What is built is of the usual kinds: overlays over a base with patches, images and
// generators, plain folders, encrypted Secrets, definitions with large schemas, charts
// with schemas of their values, and charts of an index of many megabytes.
package fleet
