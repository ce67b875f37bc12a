package helmrelease

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/fluxd/fluxd/pkg/api"
	v2 "github.com/fluxd/fluxd/pkg/api/helm/v2"
)

// postRenderersDigest returns the digest of spec.postRenderers, empty if there are none.
// The order of the fields of the types is part of it.
func postRenderersDigest(p []v2.PostRenderer) string {
	if p == nil {
		return ""
	}
	return digestOf(p)
}

// commonMetadataDigest returns the digest of spec.commonMetadata, empty if there is none.
func commonMetadataDigest(m *api.CommonMetadata) string {
	if m == nil {
		return ""
	}
	return digestOf(m)
}

// digestOf returns the digest of a value in JSON, a line of it.
func digestOf(v any) string {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(v); err != nil {
		panic(fmt.Sprintf("encode a part of a spec that was decoded: %v", err))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
