package substitute

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/fluxd/fluxd/pkg/render"
)

// nameRule is the rule of Flux for the names of variables.
const nameRule = `^[_[:alpha:]][_[:alpha:][:digit:]]*$`

var validName = regexp.MustCompile(nameRule)

// Options say how to replace.
type Options struct {
	// Strict makes the use of a variable that is not set an error, unless the
	// expression has a default. Otherwise the variable is empty.
	Strict bool
	// Always replaces even where there is no variable, so that defaults take effect
	// and $$ becomes $.
	Always bool
	// Marker is the label or annotation that, with the value "disabled", exempts an
	// object.
	Marker string
}

// Variables are names and values. The zero value has none.
type Variables struct{ values map[string]string }

// Set adds variables, which win over those that were set before. Line breaks are
// removed from the values.
func (v *Variables) Set(values map[string]string) {
	if v.values == nil {
		v.values = make(map[string]string, len(values))
	}
	for name, value := range values {
		v.values[name] = strings.ReplaceAll(value, "\n", "")
	}
}

// Inputs digests the variables and the options: everything beside a document that
// decides what becomes of it.
func (v Variables) Inputs(o Options) render.Inputs {
	h := sha256.New()
	fmt.Fprintf(h, "%t %t %s\n", o.Strict, o.Always, o.Marker)
	for _, name := range slices.Sorted(maps.Keys(v.values)) {
		writeSized(h, name)
		writeSized(h, v.values[name])
	}
	return render.Inputs(h.Sum(nil))
}

// writeSized writes s so that no two lists of strings look the same.
func writeSized(h hash.Hash, s string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(s)))
	h.Write(size[:])
	h.Write([]byte(s))
}

// Edit returns the edit that replaces the variables in documents, or nil if there is
// nothing to do in any document.
func (v Variables) Edit(o Options) render.Edit {
	if len(v.values) == 0 && !o.Always {
		return nil
	}
	return func(ctx context.Context, document []byte) ([]byte, error) {
		out, err := v.edit(ctx, document, o)
		if err != nil {
			return nil, fmt.Errorf("post build failed for %s: %w", render.Name(document), err)
		}
		return out, nil
	}
}

func (v Variables) edit(ctx context.Context, document []byte, o Options) ([]byte, error) {
	switch exempted, err := exempt(document, o.Marker); {
	case err != nil:
		return nil, err
	case exempted:
		return document, nil
	}
	if err := v.valid(); err != nil {
		return nil, fmt.Errorf("envsubst error: %w", err)
	}
	if bytes.IndexByte(document, '$') < 0 {
		return document, nil // it would come back as it is
	}
	text, err := yaml.JSONToYAML(document)
	if err != nil {
		return nil, errors.New("the object cannot be written as YAML")
	}
	replaced, err := v.replace(ctx, string(text), o.Strict)
	if err != nil {
		return nil, fmt.Errorf("envsubst error: variable substitution failed: %w", err)
	}
	out, err := yaml.YAMLToJSON([]byte(replaced))
	if err != nil {
		return nil, fmt.Errorf("envsubst error: YAMLToJSON: %w", discreet(err))
	}
	return out, nil
}

// valid checks the names, also of variables that nobody uses.
func (v Variables) valid() error {
	for _, name := range slices.Sorted(maps.Keys(v.values)) {
		if !validName.MatchString(name) {
			return fmt.Errorf("'%s' var name is invalid, must match '%s'", name, nameRule)
		}
	}
	return nil
}

// exempt says whether an object is marked as one to leave alone.
func exempt(document []byte, marker string) (bool, error) {
	var obj struct {
		Metadata struct {
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(document, &obj); err != nil {
		return false, errors.New("metadata.labels and metadata.annotations must be maps of strings")
	}
	return obj.Metadata.Labels[marker] == "disabled" || obj.Metadata.Annotations[marker] == "disabled", nil
}

// Where the YAML parser quotes nothing, and the rest of what it says.
var (
	yamlLine    = regexp.MustCompile(`yaml: (line [0-9]+: )?`)
	yamlProblem = regexp.MustCompile(`^(did not find|could not find|found|mapping values|block) `)
)

// discreet returns an error of the YAML parser without what it quotes from the text,
// which may be a secret by now.
func discreet(err error) error {
	where := yamlLine.FindStringIndex(err.Error())
	if where == nil {
		return errors.New("the result is not a YAML object")
	}
	prefix, problem := err.Error()[where[0]:where[1]], err.Error()[where[1]:]
	if !yamlProblem.MatchString(problem) {
		problem = "the result is not valid"
	}
	return errors.New(prefix + problem)
}
