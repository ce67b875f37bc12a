package release

import (
	"encoding/json"
	"fmt"
	"hash"
	"unicode/utf8"

	digest "github.com/opencontainers/go-digest"
	helm "helm.sh/helm/v3/pkg/release"
)

// digestOf returns the digest of a revision in the form of section 2.12: what the
// stock controller, over Helm 4, encodes of it. The text goes into the hash as it is
// made.
func (c *content) digestOf(algorithm digest.Algorithm, ociDigest string) (string, error) {
	if !algorithm.Available() {
		return "", fmt.Errorf("the digest algorithm %q is not available", algorithm)
	}
	h := algorithm.Hash()
	w := &writer{to: h}
	w.raw("{")
	w.field("name", c.name)
	w.field("version", c.version)
	w.field("info", c.info.fields())
	if c.chart != nil {
		w.field("chartMetadata", c.chart)
	} else {
		w.field("chartMetadata", struct{}{})
	}
	w.member("config")
	if len(c.values) == 0 {
		w.raw("null")
	} else {
		w.value(c.values)
	}
	w.member("manifest")
	longText(w, c.manifest)
	w.member("hooks")
	digestHooks(w, c.hooks)
	w.field("namespace", c.namespace)
	if ociDigest != "" {
		w.field("ociDigest", ociDigest)
	}
	w.raw("}\n")
	return string(digest.NewDigestFromBytes(algorithm, sum(h))), w.err
}

func sum(h hash.Hash) []byte { return h.Sum(nil) }

// digestHooks writes the hooks that are no tests.
func digestHooks(w *writer, hooks []*storedHook) {
	any := false
	for _, h := range hooks {
		if h.is(helm.HookTest) {
			continue
		}
		if any {
			w.raw(",")
		} else {
			w.raw("[")
		}
		any = true
		w.value(h.fields())
	}
	if any {
		w.raw("]")
	} else {
		w.raw("null")
	}
}

// longText writes a text in pieces, as [json.Marshal] would write it whole.
func longText(w *writer, s string) {
	const piece = 16 << 10
	w.raw(`"`)
	for s != "" && w.err == nil {
		n := min(piece, len(s))
		for n < len(s) && n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		if n == 0 { // no text at all
			n = min(piece, len(s))
		}
		data, err := json.Marshal(s[:n])
		if err != nil {
			w.err = err
			return
		}
		_, w.err = w.to.Write(data[1 : len(data)-1])
		s = s[n:]
	}
	w.raw(`"`)
}
