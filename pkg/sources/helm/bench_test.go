package helm

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"runtime"
	"testing"

	"sigs.k8s.io/yaml"
)

// big writes an index as large public servers have it.
func big(bytesWanted int, asJSON bool) []byte {
	var b bytes.Buffer
	b.Grow(bytesWanted + 4096)
	if asJSON {
		b.WriteString(`{"apiVersion":"v1","entries":{`)
	} else {
		b.WriteString("apiVersion: v1\nentries:\n")
	}
	for chart := 0; b.Len() < bytesWanted; chart++ {
		if asJSON {
			fmt.Fprintf(&b, "%s\"chart-%04d\":[", map[bool]string{true: ",", false: ""}[chart > 0], chart)
		} else {
			fmt.Fprintf(&b, "  chart-%04d:\n", chart)
		}
		for v := 99; v >= 0; v-- {
			e := fmt.Sprintf(bigEntry, v, chart, v, chart, v)
			if asJSON {
				item, err := yaml.YAMLToJSON([]byte(e))
				if err != nil {
					panic(err)
				}
				b.Write(bytes.Trim(item, "[]"))
				b.WriteString(map[bool]string{true: ",", false: "]"}[v > 0])
				continue
			}
			b.WriteString(e)
		}
	}
	if asJSON {
		b.WriteString(`},"generated":"2024-01-02T03:04:05Z"}`)
	} else {
		b.WriteString("generated: \"2024-01-02T03:04:05Z\"\n")
	}
	return b.Bytes()
}

const bigEntry = `  - annotations:
      category: Infrastructure
      images: |
        - name: agent
          image: registry.example.com/team/agent:7.0.15
        - name: server
          image: registry.example.com/team/server:7.0.15
      licenses: Apache-2.0
    apiVersion: v2
    appVersion: 1.%d.0
    created: "2024-01-02T03:04:05.123456789Z"
    dependencies:
    - name: common
      repository: https://charts.example.com/common
      tags:
      - common-library
      version: 2.x.x
    description: A server for all sorts of things that people want to have served, with
      an agent for each node and a dashboard to look at.
    digest: 9ae1d5d0b6a0a5d6c1f3a2b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8
    home: https://example.com
    icon: https://example.com/assets/stacks/thing/img/thing-stack-220x234.png
    keywords:
    - thing
    - server
    - agent
    maintainers:
    - name: Example, Inc. All Rights Reserved.
      url: https://example.com/charts
    name: chart-%04d
    sources:
    - https://example.com/charts/tree/main/thing
    urls:
    - https://charts.example.com/thing-1.%d.0-%04d.tgz
    version: 1.%d.0
`

// some are wants of every twentieth chart.
func some(charts int) []Want {
	var wants []Want
	for i := 0; i < charts; i += 20 {
		wants = append(wants, Want{fmt.Sprintf("chart-%04d", i), "1.x"}, Want{fmt.Sprintf("chart-%04d", i), "1.7.0"})
	}
	return wants
}

// peak runs work and returns by how much the heap grew at most.
func peak(r io.Reader, work func(io.Reader)) uint64 {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	w := &watch{r: r}
	work(w)
	w.look()
	return w.most - min(before.HeapAlloc, w.most)
}

// watch looks at the heap as a stream passes by.
type watch struct {
	r    io.Reader
	read int
	next int
	most uint64
}

func (w *watch) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.read += n; w.read >= w.next {
		w.next += 1 << 20
		w.look()
	}
	return n, err
}

func (w *watch) look() {
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	w.most = max(w.most, now.HeapAlloc)
}

// maxPeak is by how much reading an index may raise the heap.
const maxPeak = 8 << 20

func TestMemoryOfLargeIndex(t *testing.T) {
	for name, asJSON := range map[string]bool{"YAML": false, "JSON": true} {
		size := 60 << 20
		if asJSON {
			size = 4 << 20 // slow to make
		}
		data := big(size, asJSON)
		for _, wants := range [][]Want{some(8000)} {
			var got map[Want]answer
			grown := peak(bytes.NewReader(data), func(r io.Reader) {
				var err error
				if got, err = scan(io.TeeReader(r, sha256.New()), wants); err != nil {
					t.Fatal(err)
				}
			})
			if grown > maxPeak {
				t.Errorf("%s, %d wants: the heap grew by %d KiB", name, len(wants), grown>>10)
			}
			a := got[Want{"chart-0000", "1.x"}]
			if a.err != nil || a.release.Version != "1.99.0" {
				t.Errorf("%s: got %+v", name, a)
			}
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	yamlIndex, jsonIndex := big(60<<20, false), big(10<<20, true)
	for _, bc := range []struct {
		name  string
		data  []byte
		wants []Want
	}{
		{"YAML/1 chart", yamlIndex, some(20)},
		{"YAML/20 charts", yamlIndex, some(400)},
		{"JSON/1 chart", jsonIndex, some(20)},
	} {
		b.Run("scan/"+bc.name, func(b *testing.B) {
			measure(b, bc.data, func(r io.Reader) error {
				_, err := scan(io.TeeReader(r, sha256.New()), bc.wants)
				return err
			})
		})
	}
	b.Run("parse/YAML", func(b *testing.B) {
		measure(b, yamlIndex, func(r io.Reader) error {
			data, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			var index struct {
				head
				Entries map[string][]*entry `json:"entries"`
			}
			err = yaml.UnmarshalStrict(data, &index)
			runtime.KeepAlive(index)
			return err
		})
	})
}

func measure(b *testing.B, data []byte, work func(io.Reader) error) {
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	var most uint64
	for b.Loop() {
		most = max(most, peak(bytes.NewReader(data), func(r io.Reader) {
			if err := work(r); err != nil {
				b.Fatal(err)
			}
		}))
	}
	b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
}
