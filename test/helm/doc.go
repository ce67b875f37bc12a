// Package helm tests that releases are those of Helm: that Helm 3 and Helm 4 read,
// continue and roll back what fluxd has stored, and the other way round, on a real
// control plane; and that digests are those of the stock controller, which has Helm 4
// encode them.
package helm
