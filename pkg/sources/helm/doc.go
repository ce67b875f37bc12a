// Package helm reads Helm repositories and makes charts. It knows nothing of
// Kubernetes.
//
// # Indexes
//
// The index of a public repository has tens of megabytes and a thousand
// charts, of which a cluster wants three. It is therefore never held: it is
// read once as it passes by, for the charts that are wanted, and what stays is
// the answer to each [Want], a few hundred bytes. Its digest and size are taken
// on the way.
//
// The scanner follows where the lines of block YAML and the brackets of JSON
// begin and end, without decoding them. Only the text of an entry that may be
// the answer, told by its name and version, goes to a real parser, which is as
// strict as Helm's. What the scanner does not follow without doubt, such as
// anchors, tags and keys of several lines, makes the whole document be read
// again by the parser, if it is small. So a document that the scanner accepts
// means what the parser says it means, and the tests hold both against each
// other. What nobody wants is not validated: a bad entry harms those who want
// its chart.
//
// [Indexes] keeps the answers of all repositories, and reads an index once for all who
// want something of it at the time.
//
// # Charts
//
// A chart is read from an archive or from a folder of a tree, without touching a disk.
// Names, sizes and nesting are checked before anything is loaded, of archives within
// archives too. [Chart.MergeValues], [Chart.Resolve] and [Chart.Pack] make another chart
// of it; a package has a fixed order and no times, so that the same chart has the same
// digest every time. An archive that needs no change is never unpacked for good:
// [Inspect] makes sure of it, and the bytes stay as they came.
package helm
