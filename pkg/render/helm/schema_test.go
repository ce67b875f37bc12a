package helm

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// explosive returns a schema each of whose definitions refers to the next one twice.
func explosive(n int) string {
	var s strings.Builder
	s.WriteString(`{"$ref": "#/definitions/a0", "definitions": {`)
	for i := range n {
		fmt.Fprintf(&s, `"a%d": {"allOf": [{"$ref": "#/definitions/a%d"}, {"$ref": "#/definitions/a%d"}]}, `, i, i+1, i+1)
	}
	fmt.Fprintf(&s, `"a%d": {}}}`, n)
	return s.String()
}

func TestSchemas(t *testing.T) {
	cases := map[string]struct {
		schema, values, err string
		is                  error
	}{
		"fits":                   {`{"type": "object", "properties": {"a": {"type": "integer"}}}`, `{a: 1}`, "", nil},
		"does not":               {`{"properties": {"a": {"type": "integer"}}}`, `{a: text}`, "values don't meet the specifications of the schema(s) in the following chart(s):\nweb:\n- at '/a': got string, want integer", ErrSchema},
		"refers to itself":       {`{"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "object", "properties": {"k": {"$ref": "#/$defs/n"}}}}}`, `{a: {k: {k: {k: 1}}}}`, "got number, want object", ErrSchema},
		"turns in a circle":      {`{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}`, `{a: 1}`, "causing reference cycle", ErrSchema},
		"refers to a file":       {`{"$ref": "file:///etc/passwd"}`, `{a: 1}`, "neither to files nor to the network", ErrSchema},
		"refers to a neighbour":  {`{"$ref": "other.json"}`, `{a: 1}`, "neither to files nor to the network", ErrSchema},
		"refers to the network":  {`{"$ref": "https://schemas.example.com/a.json"}`, `{a: 1}`, "neither to files nor to the network", ErrSchema},
		"is of another schema":   {`{"$schema": "http://169.254.169.254/schema"}`, `{a: 1}`, "neither to files nor to the network", ErrSchema},
		"refers to a name":       {`{"properties": {"a": {"$ref": "urn:example:anything"}}}`, `{a: 1}`, "", nil},
		"refers to the standard": {`{"properties": {"a": {"$ref": "http://json-schema.org/draft-07/schema#"}}}`, `{a: {type: 1}}`, "got number", ErrSchema},
		"is no JSON":             {`{`, `{}`, "unexpected EOF", ErrSchema},
		"is no schema":           {`{"type": 1}`, `{}`, "metaschema", ErrSchema},
		"explodes":               {explosive(40), `{a: 1}`, "values.schema.json of web: limit exceeded: ", ErrLimit},
		"of another draft":       {`{"$schema": "https://json-schema.org/draft/2020-12/schema", ` + explosive(40)[1:], `{a: 1}`, "values.schema.json of web: limit exceeded: ", ErrLimit},
		"of an old draft":        {`{"$schema": "http://json-schema.org/draft-04/schema#", "allOf": [` + explosive(40)[:strings.Index(explosive(40), ",")] + `}], ` + explosive(40)[strings.Index(explosive(40), ",")+2:], `{a: 1}`, "values.schema.json of web: limit exceeded: ", ErrLimit},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(chartOf(t, "-- values.schema.json --\n"+c.schema))
			in.Values, in.Limits.Steps = values(t, c.values), 100_000
			_, err := renderer.Render(t.Context(), in)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || !errors.Is(err, c.is) {
				t.Errorf("got %v", err)
			}
			in.SkipSchema = true
			if _, err := renderer.Render(t.Context(), in); err != nil {
				t.Errorf("unchecked: got %v", err)
			}
		})
	}
}

// The schema of a subchart is about the values of the subchart.
func TestSchemasOfSubcharts(t *testing.T) {
	in := input(chartOf(t, `-- Chart.yaml --
apiVersion: v2
name: web
version: 1.0.0
-- charts/sub/Chart.yaml --
apiVersion: v2
name: sub
version: 1.0.0
-- charts/sub/values.schema.json --
{"properties": {"size": {"type": "integer"}}}
`))
	in.Values = values(t, `{size: text, sub: {size: 1}}`)
	if _, err := renderer.Render(t.Context(), in); err != nil {
		t.Error(err)
	}
	in.Values = values(t, `{size: 1, sub: {size: text}}`)
	if _, err := renderer.Render(t.Context(), in); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "sub:\n- at '/size'") {
		t.Errorf("got %v", err)
	}
}
