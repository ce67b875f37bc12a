package release

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
)

// large is a revision that fills a Secret: a hundred templates, and their manifests.
func large(tb testing.TB) (*content, *Chart) {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		var b strings.Builder
		for b.Len() < n {
			fmt.Fprintf(&b, "  key%d: value%x\n", random.IntN(1000), random.Uint64())
		}
		return b.String()
	}
	ch := &chart.Chart{Metadata: &chart.Metadata{Name: "c", Version: "1.0.0"}}
	var manifest strings.Builder
	for i := range 100 {
		ch.Templates = append(ch.Templates, &chart.File{Name: fmt.Sprintf("templates/%d.yaml", i), Data: []byte(text(9000))})
		manifest.WriteString(doc("ConfigMap", fmt.Sprint("m", i), "data:", text(4000)))
	}
	return &content{name: "web", namespace: "apps", version: 1, manifest: manifest.String(), chart: ch.Metadata, info: info{Status: statusDeployed}}, ch
}

func stored1(tb testing.TB) []byte {
	c, ch := large(tb)
	out, err := document(identity{Name: "n"}, func(w io.Writer) error { return c.encode(w, ch) })
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func releaseIn(tb testing.TB, document []byte) []byte {
	tb.Helper()
	var secret struct{ Data map[string][]byte }
	if err := json.Unmarshal(document, &secret); err != nil {
		tb.Fatal(err)
	}
	return secret.Data["release"]
}

func BenchmarkDecode(b *testing.B) {
	data := releaseIn(b, stored1(b))
	b.ReportMetric(float64(len(data))/1024, "KiB/stored")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	c, _ := large(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.digestOf("sha256", ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRewrite(b *testing.B) {
	data := releaseIn(b, stored1(b))
	c, err := decode(data)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := document(identity{Name: "n"}, func(w io.Writer) error { return c.rewrite(w, data) }); err != nil {
			b.Fatal(err)
		}
	}
}
