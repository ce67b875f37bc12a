package render

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml/goyaml.v2"
)

// ErrNoObject says that a document lacks what every object has: apiVersion, kind
// and name.
var ErrNoObject = errors.New("failed to decode Kubernetes apiVersion, kind and name")

// Edit changes one document, which is an object in JSON.
type Edit func(ctx context.Context, document []byte) ([]byte, error)

// Output is what a build yields.
type Output struct {
	// Objects are in the order of the build. The caller owns them.
	Objects []*unstructured.Unstructured
	// Digest is sha256:<hex> of all documents as one YAML stream, which is what
	// status.history tells.
	Digest string
	// Cached says that nothing was built.
	Cached bool
}

// parse decodes documents and digests them. Objects that no cluster takes are left
// out: they count for the digest only.
func parse(documents [][]byte) (Output, error) {
	var out Output
	stream := newStream()
	for i, document := range documents {
		obj, err := decode(document)
		if err != nil {
			return Output{}, fmt.Errorf("document %d: %w", i+1, err)
		}
		if err := stream.add(obj); err != nil {
			return Output{}, fmt.Errorf("document %d: %w", i+1, err)
		}
		if wanted(obj) {
			out.Objects = append(out.Objects, obj)
		}
	}
	out.Digest = stream.digest()
	return out, nil
}

// decode decodes one document. Its errors never quote it: it may be a Secret.
func decode(document []byte) (*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(document); err != nil || obj.GetName() == "" || obj.GetAPIVersion() == "" {
		return nil, ErrNoObject
	}
	return obj, nil
}

// Name is how messages name a document: 'Kind.version.group/name', where the group of
// the core API is written [noGrp].
func Name(document []byte) string {
	var obj struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(document, &obj) // what is missing is missing from the name
	gvk := obj.GroupVersionKind()
	if gvk.Group == "" {
		gvk.Group = "[noGrp]"
	}
	return fmt.Sprintf("'%s.%s.%s/%s'", gvk.Kind, gvk.Version, gvk.Group, obj.Metadata.Name)
}

// wanted says whether obj is for a cluster, and not one more kustomization file.
func wanted(obj *unstructured.Unstructured) bool {
	return obj.GetKind() != "Kustomization" || !strings.HasPrefix(obj.GetAPIVersion(), "kustomize.config.k8s.io/")
}

// stream digests objects as a YAML stream without holding it.
type stream struct {
	hash  hash.Hash
	begun bool
}

func newStream() *stream { return &stream{hash: sha256.New()} }

func (s *stream) add(obj *unstructured.Unstructured) error {
	text, err := yaml.Marshal(obj.Object)
	if err != nil {
		return errors.New("encode as YAML")
	}
	if s.begun {
		s.hash.Write([]byte("---\n"))
	}
	s.begun = true
	s.hash.Write(text)
	return nil
}

func (s *stream) digest() string { return "sha256:" + hex.EncodeToString(s.hash.Sum(nil)) }

// join puts documents into one piece of text, and split takes them out again. JSON
// has no line break outside of strings, nor inside of them, once it is compact.
func join(documents [][]byte) ([]byte, error) {
	var b bytes.Buffer
	for _, document := range documents {
		if bytes.IndexByte(document, '\n') >= 0 {
			return nil, errors.New("join documents: one of them is not compact")
		}
		b.Write(document)
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}

func split(text []byte) [][]byte {
	var documents [][]byte
	for line := range bytes.Lines(text) {
		documents = append(documents, bytes.TrimSuffix(line, []byte("\n")))
	}
	return documents
}
