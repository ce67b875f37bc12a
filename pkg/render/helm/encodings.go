package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"

	"github.com/BurntSushi/toml"
	"sigs.k8s.io/yaml"
	yaml3 "sigs.k8s.io/yaml/goyaml.v3"
)

// encodings are the functions of templates that read and write other formats. Those
// without must in their names never fail: those that write yield nothing then, those that
// read yield the error as a value.
var encodings = template.FuncMap{
	"toYaml": toYAML, "mustToYaml": mustToYAML, "toYamlPretty": toYAMLPretty,
	"fromYaml":      func(text string) map[string]any { return fromMap(text, unmarshalYAML) },
	"fromYamlArray": func(text string) []any { return fromArray(text, unmarshalYAML) },
	"toJson":        toJSON, "mustToJson": mustToJSON,
	"fromJson":      func(text string) map[string]any { return fromMap(text, json.Unmarshal) },
	"fromJsonArray": func(text string) []any { return fromArray(text, json.Unmarshal) },
	"toToml":        toTOML, "mustToToml": mustToTOML,
	"fromToml": func(text string) map[string]any { return fromMap(text, unmarshalTOML) },
}

func unmarshalYAML(data []byte, into any) error { return yaml.Unmarshal(data, into) }

func toYAML(value any) string {
	text, _ := mustToYAML(value)
	return text
}

func mustToYAML(value any) (string, error) {
	data, err := yaml.Marshal(value)
	return strings.TrimSuffix(string(data), "\n"), err
}

// toYAMLPretty indents lists.
func toYAMLPretty(value any) string {
	var out bytes.Buffer
	encoder := yaml3.NewEncoder(&out)
	encoder.SetIndent(2)
	if encoder.Encode(value) != nil {
		return ""
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func toJSON(value any) string {
	text, _ := mustToJSON(value)
	return text
}

func mustToJSON(value any) (string, error) {
	data, err := json.Marshal(value)
	return string(data), err
}

// toTOML yields the error in place of the text.
func toTOML(value any) string {
	text, err := mustToTOML(value)
	if err != nil {
		return err.Error()
	}
	return text
}

func mustToTOML(value any) (string, error) {
	var out strings.Builder
	err := toml.NewEncoder(&out).Encode(value)
	return out.String(), err
}

// maxBrackets is how many brackets a TOML file may have. Its parser is recursive.
const maxBrackets = 20_000

func unmarshalTOML(data []byte, into any) error {
	if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > maxBrackets {
		return fmt.Errorf("toml: more than %d brackets", maxBrackets)
	}
	return toml.Unmarshal(data, into)
}

// fromMap reads a map. What went wrong is in it.
func fromMap(text string, unmarshal func([]byte, any) error) map[string]any {
	out := make(map[string]any)
	if err := unmarshal([]byte(text), &out); err != nil {
		if out == nil {
			out = make(map[string]any)
		}
		out["Error"] = err.Error()
	}
	return out
}

// fromArray reads a list. What went wrong is all of it.
func fromArray(text string, unmarshal func([]byte, any) error) []any {
	out := []any{}
	if err := unmarshal([]byte(text), &out); err != nil {
		return []any{err.Error()}
	}
	return out
}
