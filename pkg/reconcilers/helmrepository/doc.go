// Package helmrepository makes an artifact of the index of a Helm repository.
//
// Reads: the HelmRepository, and the Secrets that it names.
//
// Does: asks the server whether the index is another one, reads it as it passes by
// for the charts that HelmCharts want, and records its digest.
//
// Leaves behind: status.artifact, whose revision and digest are that of the bytes
// that the server sent, and the conditions ArtifactInStorage and FetchFailed. The
// bytes themselves are nowhere kept: an index has tens of megabytes, its only reader
// is HelmChart, and what a HelmChart needs of it is one entry. So nothing of it can
// be served, and nothing need be kept over a restart: whoever wants a chart first
// has the index read again. An artifact that Flux recorded for the same revision is
// left as it is, although its digest is that of another form of the index.
//
// A repository of the type oci is not reconciled. It has no status: what is there,
// from before it had that type, is removed, together with the finalizer.
//
// While it is suspended the index counts as long as it is the recorded one.
//
// Stalls on: a URL that does not parse or that is none for its type.
package helmrepository
