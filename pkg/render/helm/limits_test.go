package helm

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// Whatever a template does, it ends, the process lives on, and the message says where.
func TestTemplatesThatWouldNotEnd(t *testing.T) {
	nested := func(open, close string, n int) string { return strings.Repeat(open, n) + strings.Repeat(close, n) }
	doubled := `{{ $x := "0123456789abcdef" }}{{ range until 40 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`
	shared := `{{ $x := dict "a" "b" }}{{ range until 60 }}{{ $x = dict "l" $x "r" $x }}{{ end }}`
	deep := `{{ $x := dict }}{{ range until 20000 }}{{ $x = dict "a" $x }}{{ end }}`
	self := `{{ $x := dict }}{{ $_ := set $x "self" $x }}`
	cases := map[string]struct{ template, err string }{
		"a loop":                         {`{{ range 1000000000000 }}{{ end }}`, "more than 200000 steps"},
		"loops in loops":                 {`{{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}`, "more than 200000 steps"},
		"a list of numbers":              {`{{ until 2000000000 | len }}`, "more than 1048576 bytes"},
		"a list of negative numbers":     {`{{ untilStep 0 -2000000000 -1 | len }}`, "more than 1048576 bytes"},
		"a sequence":                     {`{{ seq 1 2000000000 }}`, "more than 1048576 bytes"},
		"include of itself":              {`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, "nested"},
		"include of each other":          {`{{ define "a" }}{{ include "b" . }}{{ end }}{{ define "b" }}{{ include "c" . }}{{ end }}{{ define "c" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, "templates call each other more than"},
		"template of itself":             {`{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`, "templates call each other more than"},
		"a nested template of itself":    {`{{ define "a" }}` + nested("{{ if true }}", "{{ end }}", 900) + `{{ template "a" . }}{{ end }}{{ template "a" . }}`, "templates call each other more than"},
		"tpl of itself":                  {`{{ $t := "{{ tpl .t . }}" }}{{ tpl $t (dict "t" $t) }}`, "calls of tpl are nested more than"},
		"tpl of itself with a name":      {`{{ $t := "{{ define \"x\" }}{{ tpl .t . }}{{ end }}{{ include \"x\" . }}" }}{{ tpl $t (dict "t" $t) }}`, "calls of tpl are nested more than"},
		"blocks in blocks":               {nested("{{if true}}", "{{end}}", 50_000), "blocks are nested more than"},
		"else after else":                {`{{if false}}` + strings.Repeat("{{else if false}}", 50_000) + `{{end}}`, "blocks are nested more than"},
		"brackets in brackets":           {`{{ ` + nested("(", ")", 9_000) + ` }}`, "parse error"},
		"ends in a comment":              {strings.Repeat("{{if true}}{{/* {{end}} */}}", 50_000), "blocks are nested more than"},
		"ends in a text":                 {strings.Repeat(`{{if "{{end}}"}}`, 50_000), "blocks are nested more than"},
		"output":                         {`{{ range until 2000 }}` + strings.Repeat("0123456789", 100) + `{{ end }}`, "more than 1048576 bytes"},
		"a text of texts":                {doubled, "more than 1048576 bytes"},
		"repetition":                     {`{{ repeat 2000000000 "x" }}`, "more than 1048576 bytes"},
		"indentation":                    {`{{ indent 2000000000 "x" }}`, "more than 1048576 bytes"},
		"replacement":                    {`{{ replace "a" (repeat 10000 "b") (repeat 10000 "a") }}`, "more than 1048576 bytes"},
		"replacement of an expression":   {`{{ regexReplaceAll "a" (repeat 10000 "a") (repeat 10000 "b") }}`, "more than 1048576 bytes"},
		"padding":                        {`{{ printf "%0999999d%0999999d" 1 2 }}`, "more than 1048576 bytes"},
		"padding by an argument":         {`{{ printf "%*d%*d" 999999 1 999999 1 }}`, "more than 1048576 bytes"},
		"one argument again and again":   {`{{ printf "` + strings.Repeat("%[1]s", 200) + `" (repeat 10000 "a") }}`, "more than 1048576 bytes"},
		"joining":                        {`{{ join (repeat 10000 "a") (until 10000) }}`, "more than 1048576 bytes"},
		"wrapping":                       {`{{ wrapWith 1 (repeat 10000 "a") (repeat 10000 "b") }}`, "more than 1048576 bytes"},
		"random text":                    {`{{ randAlphaNum 2000000000 }}`, "more than 1048576 bytes"},
		"texts that are kept":            {`{{ $l := list }}{{ range until 100000 }}{{ $l = append $l (repeat 100000 "x") }}{{ end }}`, "templates write more than"},
		"a value that doubles":           {shared + `{{ toYaml $x }}`, "a value has more than"},
		"a value that doubles, in JSON":  {shared + `{{ toJson $x }}`, "a value has more than"},
		"a value that doubles, printed":  {shared + `{{ $x }}`, "a value has more than"},
		"a value that doubles, copied":   {shared + `{{ $y := deepCopy $x }}`, "a value has more than"},
		"a value that doubles, merged":   {shared + `{{ $y := merge (dict) $x }}`, "a value has more than"},
		"a value that doubles, compared": {shared + `{{ deepEqual $x $x }}`, "a value has more than"},
		"a deep value":                   {deep + `{{ toYaml $x }}`, "a value is nested more than 500 deep"},
		"a deep value, printed":          {deep + `{{ $x }}`, "a value is nested more than 500 deep"},
		"a value in itself":              {self + `{{ toYaml $x }}`, "a value is nested more than 500 deep"},
		"a value in itself, printed":     {self + `{{ $x }}`, "a value is nested more than 500 deep"},
		"a value in itself, as text":     {self + `{{ toString $x }}`, "a value is nested more than 500 deep"},
		"a value in itself, in TOML":     {self + `{{ toToml $x }}`, "a value is nested more than 500 deep"},
		"values in themselves":           {`{{ $_ := set .Values "self" .Values }}{{ .Values }}`, "a value is nested more than 500 deep"},
		"a list in itself":               {`{{ $d := dict }}{{ $_ := set $d "l" (list $d) }}{{ $d.l }}`, "a value is nested more than 500 deep"},
		"brackets of TOML":               {`{{ (fromToml (printf "a = %s" (repeat 30000 "["))).Error | fail }}`, "more than 20000 brackets"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(chartOf(t, "-- templates/a.yaml --\n"+c.template))
			in.Limits = Limits{Output: 1 << 20, Steps: 200_000}
			_, err := renderer.Render(t.Context(), in)
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "web/templates/a.yaml") {
				t.Errorf("got %.300v", err)
			}
			if !errors.Is(err, ErrLimit) && !errors.Is(err, ErrTemplate) {
				t.Errorf("%v is neither a limit nor an error of a template", err)
			}
		})
	}
}

// Recursion that ends is fine.
func TestTemplatesThatEnd(t *testing.T) {
	for name, template := range map[string]string{
		"include of itself":  `{{ define "a" }}{{ if gt (int .) 0 }}{{ include "a" (sub (int .) 1) }}{{ end }}{{ end }}a: {{ include "a" 900 }}`,
		"template of itself": `{{ define "a" }}{{ if gt (int .) 0 }}{{ template "a" (sub (int .) 1) }}{{ end }}{{ end }}a: {{ template "a" 900 }}`,
		"one after another":  `{{ define "a" }}x{{ end }}a: {{ range until 5000 }}{{ $_ := include "a" . }}{{ end }}`,
		"tpl in a loop":      `a: {{ range until 300 }}{{ $_ := tpl "{{ . }}" . }}{{ end }}`,
		"many blocks":        `a: ` + strings.Repeat(`{{ if true }}{{ else if "{{end}}" }}{{/* {{if}} */}}{{ end }}`, 3000),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := renderTemplate(t, template, nil); err != nil {
				t.Errorf("got %.300v", err)
			}
		})
	}
}

// What runs ends with its context or its time.
func TestTemplatesEndWithTheirContext(t *testing.T) {
	const template = `{{ range 1000000000000 }}{{ end }}`
	in := input(chartOf(t, "-- templates/a.yaml --\n{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}"+template))
	ctx, cancel := context.WithCancel(t.Context())
	in.Lookup = func(context.Context, string, string, string, string) (map[string]any, error) {
		cancel()
		return nil, nil
	}
	in.Limits.Steps = 1 << 60
	if _, err := renderer.Render(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	in.Lookup, in.SkipSchema, in.Limits.Time = nil, true, time.Nanosecond
	if _, err := renderer.Render(t.Context(), in); !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "it runs for more than 1ns") {
		t.Errorf("got %v", err)
	}
}

func TestLookup(t *testing.T) {
	in := input(chartOf(t, "-- templates/a.yaml --\na: {{ (lookup \"v1\" \"Secret\" \"ns\" \"x\").data.k }}"))
	asked := ""
	in.Lookup = func(_ context.Context, version, kind, namespace, name string) (map[string]any, error) {
		asked = strings.Join([]string{version, kind, namespace, name}, "/")
		return map[string]any{"data": map[string]any{"k": "v"}}, nil
	}
	out, err := renderer.Render(t.Context(), in)
	if err != nil || asked != "v1/Secret/ns/x" || !strings.Contains(out.Manifest, "a: v\n") {
		t.Errorf("asked %s, got %q, %v", asked, out.Manifest, err)
	}
	in.Lookup = func(context.Context, string, string, string, string) (map[string]any, error) { return nil, errAway }
	if _, err := renderer.Render(t.Context(), in); err == nil || !strings.Contains(err.Error(), errAway.Error()) || !errors.Is(err, ErrTemplate) {
		t.Errorf("got %v", err)
	}
}
