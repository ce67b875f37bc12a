package helmrelease

import (
	"crypto/sha256"
	"encoding/hex"

	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// longestName is the longest name of a release, by the rules of Helm.
const longestName = 53

// releaseName returns the name of the release. One that is too long is cut and told apart by
// a hash.
func releaseName(obj *v2.HelmRelease) string {
	name := obj.GetReleaseName()
	if len(name) <= longestName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	const hash = 12
	return name[:longestName-hash-1] + "-" + hex.EncodeToString(sum[:])[:hash]
}

// moved returns in what the release differs from the one that is wanted so much that it
// has to be uninstalled, or nothing.
func moved(obj *v2.HelmRelease, chartName string) string {
	last := obj.Status.History.Latest()
	if obj.Status.StorageNamespace == "" || last == nil {
		return ""
	}
	reinstalls := obj.GetUpgrade().GetChartNameChangeStrategy() == v2.ChartNameChangeReinstall
	switch {
	case obj.GetStorageNamespace() != obj.Status.StorageNamespace:
		return "release storage namespace changed"
	case obj.GetReleaseNamespace() != last.Namespace:
		return "release target namespace changed"
	case releaseName(obj) != last.Name:
		return "release name changed"
	case reinstalls && chartName != last.ChartName:
		return "chart name changed"
	}
	return ""
}

// forget drops what the status knows of a release that is no more.
func forget(obj *v2.HelmRelease) {
	obj.Status.History, obj.Status.StorageNamespace = nil, ""
	obj.Status.ClearFailures()
}
