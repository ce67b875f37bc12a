package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"sigs.k8s.io/yaml"
)

// Release is one version of a chart, as an index offers it.
type Release struct {
	Name, Version string
	// URL is where the archive is, as the index says: absolute, or relative to
	// the repository. It is empty if the index names none.
	URL string
	// Digest is the SHA-256 of the archive in hexadecimal, empty if unknown.
	Digest  string
	Created time.Time
}

// entry is a version of a chart as it stands in an index. The fields that
// nobody reads make the strict parser accept what servers write.
type entry struct {
	*chart.Metadata
	URLs    []string  `json:"urls"`
	Created time.Time `json:"created,omitempty"`
	Removed bool      `json:"removed,omitempty"`
	Digest  string    `json:"digest,omitempty"`

	Checksum      string `json:"checksum,omitempty"`
	Engine        string `json:"engine,omitempty"`
	TillerVersion string `json:"tillerVersion,omitempty"`
	OldURL        string `json:"url,omitempty"`
}

// head is an index without its entries.
type head struct {
	ServerInfo  map[string]any    `json:"serverInfo,omitempty"`
	APIVersion  string            `json:"apiVersion"`
	Generated   time.Time         `json:"generated"`
	PublicKeys  []string          `json:"publicKeys,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Entries     map[string]any    `json:"entries"` // only ever empty ones
}

// valid returns the entry as a release, and false if it is one that the rules
// of Helm leave out: null, or without a usable name or version.
func (e *entry) valid() (Release, bool) {
	if e == nil {
		return Release{}, false
	}
	if e.Metadata == nil {
		e.Metadata = &chart.Metadata{}
	}
	if e.APIVersion == "" {
		e.APIVersion = chart.APIVersionV1
	}
	if err := e.Validate(); err != nil && !tolerable(err) {
		return Release{}, false
	}
	r := Release{Name: e.Name, Version: e.Version, Digest: e.Digest, Created: e.Created}
	if len(e.URLs) > 0 {
		r.URL = e.URLs[0]
	}
	return r, true
}

// tolerable says whether a chart that fails validation so is still offered:
// some servers drop the alias of dependencies, which then look alike.
func tolerable(err error) bool {
	return strings.HasPrefix(err.Error(), "validation: more than one dependency with name or alias")
}

// format decodes the parts of an index.
type format struct {
	name   string
	decode func(data []byte, into any) error
}

// Like Helm, we are strict about YAML and lenient about JSON.
var (
	yamlFormat = format{"YAML", func(data []byte, into any) error { return yaml.UnmarshalStrict(data, into) }}
	jsonFormat = format{"JSON", func(data []byte, into any) error { return json.Unmarshal(data, into) }}
)

// entry decodes one item of the list of a chart. Item is the text of the item
// alone in YAML, with its dash, and in JSON without brackets.
func (f format) entry(item []byte) (*entry, error) {
	if f.name == jsonFormat.name {
		var e *entry
		err := f.decode(item, &e)
		return e, err
	}
	var list []*entry
	if err := f.decode(item, &list); err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("it is a list of %d", len(list))
	}
	return list[0], nil
}

// check decodes what stands beside the entries and says whether that is right.
func (f format) check(data []byte) error {
	var h head
	if err := f.decode(data, &h); err != nil {
		return fmt.Errorf("%w: %s", ErrIndex, clip(err.Error()))
	}
	if len(h.Entries) > 0 {
		return errLayout
	}
	if h.APIVersion == "" {
		return fmt.Errorf("%w: it has no apiVersion", ErrIndex)
	}
	return nil
}

// blank says whether data is white space.
func blank(data []byte) bool { return len(bytes.TrimSpace(data)) == 0 }
