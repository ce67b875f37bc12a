package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validate checks values against the schemas of u and its subcharts. Schemas refer to
// nothing but themselves: neither to files nor to the network. Errors of all charts are
// told together.
func validate(ctx context.Context, u *unit, values map[string]any, l Limits) error {
	limits := l.orDefaults()
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Time, errSlow)
	defer cancel()
	v := &validator{meter: &meter{ctx: ctx, limits: limits}}
	if _, err := v.weigh(values); err != nil {
		return fmt.Errorf("values: %w", err)
	}
	var out strings.Builder
	if err := v.unit(u, values, &out); err != nil {
		return err
	}
	if out.Len() > 0 {
		return &told{ErrSchema, "values don't meet the specifications of the schema(s) in the following chart(s):\n" + clip(out.String())}
	}
	return nil
}

// validator checks the values of one release.
type validator struct{ *meter }

// unit writes what is wrong with the values of u and its subcharts. It returns an error
// only if that cannot be told.
func (v *validator) unit(u *unit, values map[string]any, out *strings.Builder) error {
	if u.files.Schema != nil {
		err := v.schema(u.files.Schema, values)
		if v.stopped != nil {
			return fmt.Errorf("values.schema.json of %s: %w", u.path(), v.stopped)
		}
		if err != nil {
			text := strings.TrimPrefix(err.Error(), "jsonschema validation failed with '"+schemaURL+"#'\n")
			fmt.Fprintf(out, "%s:\n%s\n", u.name(), text)
		}
	}
	for _, s := range u.subs {
		inner, exists := values[s.name()]
		if !exists || inner == nil {
			continue
		}
		table, ok := inner.(map[string]any)
		if !ok {
			fmt.Fprintf(out, "%s:\ninvalid type for values: expected object (map), got %T\n", s.name(), inner)
			continue
		}
		if err := v.unit(s, table, out); err != nil {
			return err
		}
	}
	return nil
}

// schemaURL is how messages name a schema.
const schemaURL = "file:///values.schema.json"

// schema checks values against one schema.
func (v *validator) schema(schema []byte, values map[string]any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("unable to validate schema: %v", r)
		}
	}()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(loader{})
	compiler.RegisterVocabulary(v.counter())
	compiler.AssertVocabs()
	if err := compiler.AddResource(schemaURL, document); err != nil {
		return err
	}
	compiled, err := compiler.Compile(schemaURL)
	if err != nil {
		return err
	}
	return compiled.Validate(Values(values).AsMap())
}

// loader loads nothing that is not in the schema itself. The name of something, as
// opposed to a place, stands for anything.
type loader struct{}

var errReference = errors.New("a schema of a chart may refer to itself only, neither to files nor to the network")

// Load implements [jsonschema.URLLoader].
func (loader) Load(url string) (any, error) {
	if strings.HasPrefix(url, "urn:") {
		return true, nil
	}
	return nil, errReference
}

// counter returns a vocabulary without words. It has every schema counted that is used:
// a short one can refer to itself so often that it would never end.
func (v *validator) counter() *jsonschema.Vocabulary {
	return &jsonschema.Vocabulary{
		URL: "urn:fluxd:steps",
		Compile: func(*jsonschema.CompilerContext, map[string]any) (jsonschema.SchemaExt, error) {
			return v, v.step()
		},
	}
}

// Validate implements [jsonschema.SchemaExt].
func (v *validator) Validate(*jsonschema.ValidatorContext, any) { stopIf(v.step()) }
