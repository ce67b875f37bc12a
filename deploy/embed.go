// Package deploy is the folder of manifests as the program carries it: what
// `fluxd install` applies is what stands here.
package deploy

import "embed"

// FS holds the kustomizations of this folder. It costs room in the binary and no
// memory until it is read.
//
//go:embed *.yaml base components crds fluxd overlays
var FS embed.FS
