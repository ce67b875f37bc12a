package release

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// secretType is that of the Secrets of Helm.
const secretType = "helm.sh/release.v1"

// identity is what a Secret is made with beside its revision.
type identity struct {
	Name            string                  `json:"name"`
	Namespace       string                  `json:"namespace"`
	Labels          map[string]string       `json:"labels,omitempty"`
	Annotations     map[string]string       `json:"annotations,omitempty"`
	UID             types.UID               `json:"uid,omitempty"`
	ResourceVersion string                  `json:"resourceVersion,omitempty"`
	Finalizers      []string                `json:"finalizers,omitempty"`
	OwnerReferences []metav1.OwnerReference `json:"ownerReferences,omitempty"`
}

// mostData is how much a Secret may hold.
const mostData = 1 << 20

// document returns a Secret in JSON whose revision is what text writes. The revision
// is packed as it is written, and better, which takes several times as long, only if it
// does not fit otherwise.
func document(id identity, text func(io.Writer) error) ([]byte, error) {
	doc, size, err := pack(id, gzip.DefaultCompression, text)
	if err == nil && size > mostData {
		doc, _, err = pack(id, gzip.BestCompression, text)
	}
	if err != nil {
		return nil, fmt.Errorf("encode the release %s: %w", id.Name, err)
	}
	return doc, nil
}

// pack returns the document and the size of its data.
func pack(id identity, level int, text func(io.Writer) error) ([]byte, int, error) {
	meta, err := json.Marshal(id)
	if err != nil {
		return nil, 0, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `{"apiVersion":"v1","kind":"Secret","metadata":%s,"type":%q,"data":{"release":"`, meta, secretType)
	before := out.Len()
	// Data of a Secret is base64 in JSON, and Helm's is base64 already.
	outer := base64.NewEncoder(base64.StdEncoding, &out)
	inner := base64.NewEncoder(base64.StdEncoding, outer)
	z, err := gzip.NewWriterLevel(inner, level)
	if err != nil {
		return nil, 0, err
	}
	if err := text(z); err != nil {
		return nil, 0, err
	}
	for _, c := range []io.Closer{z, inner, outer} {
		if err := c.Close(); err != nil {
			return nil, 0, err
		}
	}
	size := base64.StdEncoding.DecodedLen(out.Len() - before)
	out.WriteString(`"}}`)
	return out.Bytes(), size, nil
}

// writer writes the members of an object, one by one. The first error stays.
type writer struct {
	to   io.Writer
	next bool // there is a member already
	err  error
}

func (w *writer) raw(text string) {
	if w.err == nil {
		_, w.err = io.WriteString(w.to, text)
	}
}

func (w *writer) value(v any) {
	if w.err != nil {
		return
	}
	data, err := json.Marshal(v)
	if err != nil {
		w.err = err
		return
	}
	_, w.err = w.to.Write(data)
}

// member begins a member.
func (w *writer) member(name string) {
	if w.next {
		w.raw(",")
	}
	w.next = true
	w.value(name)
	w.raw(":")
}

func (w *writer) field(name string, v any) {
	w.member(name)
	w.value(v)
}

// encode writes a new revision with its chart.
func (c *content) encode(to io.Writer, ch *Chart) error {
	w := &writer{to: to}
	w.raw("{")
	w.field("name", c.name)
	w.field("info", &c.info)
	w.member("chart")
	encodeChart(w, ch)
	if len(c.values) > 0 {
		w.field("config", c.values)
	}
	w.field("manifest", c.manifest)
	if len(c.hooks) > 0 {
		w.field("hooks", c.hooks)
	}
	w.field("version", c.version)
	w.field("namespace", c.namespace)
	w.field("apply_method", c.method)
	w.raw("}")
	return w.err
}

// encodeChart writes a chart file by file.
func encodeChart(w *writer, ch *Chart) {
	in := &writer{to: w.to, err: w.err}
	in.raw("{")
	in.field("metadata", ch.Metadata)
	in.field("lock", ch.Lock)
	in.member("templates")
	files(in, ch.Templates)
	in.field("values", ch.Values)
	in.field("schema", ch.Schema)
	in.member("files")
	files(in, ch.Files)
	in.raw("}")
	w.err = in.err
}

func files[T any](w *writer, list []T) {
	w.raw("[")
	for i, f := range list {
		if i > 0 {
			w.raw(",")
		}
		w.value(f)
	}
	w.raw("]")
}

// rewrite writes a stored revision again, with what changes of one while it is acted
// on: its info, its hooks and, for a copy of it, its number and method. Everything
// else goes over as it is.
func (c *content) rewrite(to io.Writer, data []byte) error {
	w := &writer{to: to}
	w.raw("{")
	err := walk(data, func(name string, dec *json.Decoder) error {
		switch name {
		case "info", "hooks", "version", "namespace", "apply_method":
			return skip(dec)
		}
		w.member(name)
		depth := 0
		if name == "chart" {
			depth = 2 // down to its files
		}
		if err := pass(w, dec, depth); err != nil {
			return err
		}
		return w.err
	})
	if err != nil {
		return err
	}
	w.field("info", &c.info)
	if len(c.hooks) > 0 {
		w.field("hooks", c.hooks)
	}
	w.field("version", c.version)
	w.field("namespace", c.namespace)
	if c.method != "" {
		w.field("apply_method", c.method)
	}
	w.raw("}")
	return w.err
}

// pass hands on the value that comes next, whose parts down to depth come one by one.
func pass(w *writer, dec *json.Decoder, depth int) error {
	if depth == 0 {
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return err
		}
		if w.err == nil {
			_, w.err = w.to.Write(v)
		}
		return nil
	}
	t, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		w.value(t)
		return nil
	}
	w.raw(open.String())
	for first := true; dec.More(); first = false {
		if !first {
			w.raw(",")
		}
		if open == '{' {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			w.value(name)
			w.raw(":")
		}
		if err := pass(w, dec, depth-1); err != nil {
			return err
		}
	}
	closing, err := dec.Token()
	if err != nil {
		return err
	}
	w.raw(fmt.Sprint(closing))
	return nil
}
