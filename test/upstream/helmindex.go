package upstream

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// HelmIndexOptions say how an index of charts is served.
type HelmIndexOptions struct {
	Security
	// Username and Password are demanded for the index and for charts.
	Username, Password string
	// NoETag leaves out the header that lets clients ask for news only.
	NoETag bool
}

// HelmIndex serves index.yaml and the charts in it.
type HelmIndex struct {
	*Door
	options HelmIndexOptions

	mu    sync.Mutex      // guards the fields below
	files map[string]file // by name
}

type file struct {
	content []byte
	etag    string
}

func newFile(content []byte) file { return file{content: content, etag: `"` + Digest(content) + `"`} }

// indexFile is the name that clients look for.
const indexFile = "index.yaml"

// StartHelmIndex serves an index without charts until Close.
func StartHelmIndex(o HelmIndexOptions) (*HelmIndex, error) {
	h := &HelmIndex{options: o}
	if err := h.Publish(); err != nil {
		return nil, err
	}
	var err error
	h.Door, err = newDoor(http.HandlerFunc(h.serve), o.Security)
	return h, err
}

// Publish replaces the index by one of these charts.
func (h *HelmIndex) Publish(charts ...Chart) error { return h.PublishAmong(0, charts...) }

// PublishAmong replaces the index by one of these charts among as many others,
// which cannot be fetched, as make it size bytes or somewhat more.
func (h *HelmIndex) PublishAmong(size int, charts ...Chart) error {
	files := make(map[string]file)
	entries := make(map[string][]string) // versions by name
	for _, c := range charts {
		content, err := c.Package()
		if err != nil {
			return err
		}
		name := c.Name + "-" + c.Version + ".tgz"
		files[name] = newFile(content)
		entries[c.Name] = append(entries[c.Name], entry(c.Name, c.Version, name, Digest(content)))
	}
	var index bytes.Buffer
	index.WriteString("apiVersion: v1\nentries:")
	if len(charts) == 0 && size == 0 {
		index.WriteString(" {}")
	}
	index.WriteString("\n")
	names := sortedNames(charts)
	for i := 0; len(names) > 0 || index.Len() < size; i++ {
		// The wanted charts stand all over the index.
		if len(names) > 0 && (size == 0 || index.Len() >= (len(charts)-len(names))*size/(len(charts)+1)) {
			writeChart(&index, names[0], entries[names[0]])
			names = names[1:]
			continue
		}
		writeChart(&index, fmt.Sprintf("other-%05d", i), others(i))
	}
	index.WriteString("generated: \"2026-01-02T03:04:05.678901234Z\"\n")
	files[indexFile] = newFile(index.Bytes())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files = files
	return nil
}

// Index returns the index as it is served.
func (h *HelmIndex) Index() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.files[indexFile].content
}

func sortedNames(charts []Chart) []string {
	var names []string
	for _, c := range charts {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func writeChart(index *bytes.Buffer, name string, versions []string) {
	fmt.Fprintf(index, "  %s:\n", name)
	for _, v := range versions {
		index.WriteString(v)
	}
}

// versions is how many every other chart has.
const versions = 40

func others(i int) []string {
	list := make([]string, versions)
	for j := range list {
		name, version := fmt.Sprintf("other-%05d", i), fmt.Sprintf("%d.%d.%d", 1+i%9, versions-j, i%7)
		list[j] = entry(name, version, name+"-"+version+".tgz", Digest([]byte(name+version)))
	}
	return list
}

// entry is one version of a chart as helm repo index writes it, about as long as
// those of large public indexes.
func entry(name, version, file, digest string) string {
	return fmt.Sprintf(`  - annotations:
      category: Infrastructure
      images: |
        - name: %[1]s
          image: registry.example.com/library/%[1]s:%[2]s-r0
      licenses: Apache-2.0
    apiVersion: v2
    appVersion: %[2]s
    created: "2026-01-02T03:04:05.678901234Z"
    dependencies:
    - name: common
      repository: oci://registry.example.com/charts
      tags:
      - common
      version: 2.x.x
    description: '%[1]s: what a description says of a chart, in a line that goes
      on for a while and then for another'
    digest: %[4]s
    home: https://charts.example.com/%[1]s
    icon: https://charts.example.com/%[1]s/img/icon.png
    keywords:
    - %[1]s
    - infrastructure
    - database
    maintainers:
    - name: Somebody
      url: https://example.com/charts
    name: %[1]s
    sources:
    - https://example.com/charts/tree/main/%[1]s
    type: application
    urls:
    - %[3]s
    version: %[2]s
`, name, version, file, digest)
}

// serve answers for the index and the charts, and with 304 to who has the index.
func (h *HelmIndex) serve(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != h.options.Username || password != h.options.Password {
		w.Header().Set("WWW-Authenticate", `Basic realm="charts"`)
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	h.mu.Lock()
	served, found := h.files[name]
	h.mu.Unlock()
	if !found {
		http.NotFound(w, r)
		return
	}
	if !h.options.NoETag {
		w.Header().Set("ETag", served.etag)
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(served.content))
}

// Serve serves an index as it is, with the charts of the last one.
func (h *HelmIndex) Serve(index []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	files := maps.Clone(h.files)
	files[indexFile] = newFile(index)
	h.files = files
}
