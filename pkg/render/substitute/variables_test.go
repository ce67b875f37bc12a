package substitute

import (
	"context"
	"strings"
	"testing"
)

const marker = "kustomize.toolkit.fluxcd.io/substitute"

func configMap(value string) string {
	return `{"apiVersion":"v1","data":{"k":"` + value + `"},"kind":"ConfigMap","metadata":{"name":"a"}}`
}

func TestEdit(t *testing.T) {
	long := strings.Repeat("word ", 40) + "${v}"
	cases := map[string]struct {
		values   map[string]string
		options  Options
		in, want string
	}{
		"a value": {
			values: map[string]string{"v": "x"}, in: configMap("${v}"), want: configMap("x"),
		},
		"nothing to replace": {
			values: map[string]string{"v": "x"}, in: `{"b":1,"a":2}`, want: `{"b":1,"a":2}`,
		},
		"a value becomes a number": {
			values: map[string]string{"v": "3"}, in: `{"spec":{"replicas":"${v}"}}`, want: `{"spec":{"replicas":3}}`,
		},
		"a value becomes a boolean": {
			values: map[string]string{"v": "true"}, in: `{"suspend":"${v}"}`, want: `{"suspend":true}`,
		},
		"quotes in the value keep it a string": {
			values: map[string]string{"v": `"3"`}, in: `{"a":"${v}"}`, want: `{"a":"3"}`,
		},
		"quotes of a variable keep it a string": {
			values: map[string]string{"v": "3", "quote": `"`}, in: `{"a":"${quote}${v}${quote}"}`, want: `{"a":"3"}`,
		},
		"a tag keeps it a string": {
			values: map[string]string{"v": "!!str 123"}, in: `{"a":"${v}"}`, want: `{"a":"123"}`,
		},
		"line breaks leave values": {
			values: map[string]string{"v": "a\nb\n"}, in: `{"a":"${v}"}`, want: `{"a":"ab"}`,
		},
		"keys, kinds and names": {
			values: map[string]string{"v": "x"}, in: `{"kind":"${v}","metadata":{"name":"${v}"},"${v}":1}`,
			want: `{"kind":"x","metadata":{"name":"x"},"x":1}`,
		},
		"a value that is a whole structure": {
			values: map[string]string{"v": `{"b":[1,2]}`}, in: `{"a":"${v}"}`, want: `{"a":{"b":[1,2]}}`,
		},
		"a long text is folded and unfolded": {
			values: map[string]string{"v": "x"}, in: `{"a":"` + long + `"}`, want: `{"a":"` + strings.Replace(long, "${v}", "x", 1) + `"}`,
		},
		"strings that look like something else": {
			values: map[string]string{"v": "x"}, in: `{"a":"true","b":"1","c":"1e3","d":"null","e":"${v}","f":"~","g":"0x1"}`,
			want: `{"a":"true","b":"1","c":"1e3","d":"null","e":"x","f":"~","g":"0x1"}`,
		},
		"several lines, tabs and quotes": {
			values: map[string]string{"v": "x"}, in: `{"a":"line ${v}\nline 2\n\ttab \"quoted\" 'x' \\"}`,
			want: `{"a":"line x\nline 2\n\ttab \"quoted\" 'x' \\"}`,
		},
		"large numbers": {
			values: map[string]string{"v": "x"}, in: `{"a":9007199254740993,"b":1.5,"c":"${v}"}`, want: `{"a":9007199254740993,"b":1.5,"c":"x"}`,
		},
		"a label exempts": {
			values: map[string]string{"v": "x"}, in: `{"metadata":{"labels":{"` + marker + `":"disabled"},"name":"${v}"}}`,
			want: `{"metadata":{"labels":{"` + marker + `":"disabled"},"name":"${v}"}}`,
		},
		"an annotation exempts": {
			values: map[string]string{"v": "x"}, in: `{"metadata":{"annotations":{"` + marker + `":"disabled"},"name":"${v}"}}`,
			want: `{"metadata":{"annotations":{"` + marker + `":"disabled"},"name":"${v}"}}`,
		},
		"the value of the marker has a case": {
			values: map[string]string{"v": "x"}, in: `{"metadata":{"labels":{"` + marker + `":"Disabled"},"name":"${v}"}}`,
			want: `{"metadata":{"labels":{"` + marker + `":"Disabled"},"name":"x"}}`,
		},
		"always, without variables": {
			options: Options{Always: true}, in: configMap("${v:=d}$${v}"), want: configMap("d${v}"),
		},
		"an unset variable": {
			values: map[string]string{"v": "x"}, in: configMap("-${u}-"), want: configMap("--"),
		},
		"a variable that was set to nothing": {
			values: map[string]string{"v": ""}, options: Options{Strict: true}, in: configMap("-${v}-"), want: configMap("--"),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.options.Marker = marker
			got, err := with(c.values).Edit(c.options)(context.Background(), []byte(c.in))
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v, want %s", got, err, c.want)
			}
		})
	}
}

func TestNothingToEdit(t *testing.T) {
	if with(nil).Edit(Options{Strict: true}) != nil {
		t.Error("without variables there is an edit")
	}
	if with(nil).Edit(Options{Always: true}) == nil || with(map[string]string{"v": ""}).Edit(Options{}) == nil {
		t.Error("there is no edit")
	}
}

func TestEditRefuses(t *testing.T) {
	const secret = "hunter2"
	cases := map[string]struct {
		values  map[string]string
		in      string
		want    string
		options Options
	}{
		"a name that is none": {
			values: map[string]string{"a-b": secret}, in: configMap("x"),
			want: "envsubst error: 'a-b' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'",
		},
		"an unset variable": {
			values: map[string]string{"v": secret}, in: configMap("${v} ${u}"), options: Options{Strict: true},
			want: `envsubst error: variable substitution failed: variable not set (strict mode): "u"`,
		},
		"a bad expression": {
			values: map[string]string{"v": secret}, in: configMap("${v} ${}"),
			want: "envsubst error: variable substitution failed: unable to parse variable name",
		},
		"a value that breaks the document": {
			values: map[string]string{"v": secret + ": a: b"}, in: configMap("${v}"),
			want: "envsubst error: YAMLToJSON: yaml: line 3: mapping values are not allowed in this context",
		},
		"a value that is an unknown anchor": {
			values: map[string]string{"v": "*" + secret}, in: configMap("${v}"),
			want: "envsubst error: YAMLToJSON: yaml: the result is not valid",
		},
		"a value with the wrong tag": {
			values: map[string]string{"v": "!!int " + secret}, in: configMap("${v}"),
			want: "envsubst error: YAMLToJSON: yaml: the result is not valid",
		},
		"labels that are not strings": {
			values: map[string]string{"v": secret}, in: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"a":1},"name":"a"}}`,
			want: "metadata.labels and metadata.annotations must be maps of strings",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := with(c.values).Edit(c.options)(context.Background(), []byte(c.in))
			if want := "post build failed for 'ConfigMap.v1.[noGrp]/a': " + c.want; err == nil || err.Error() != want {
				t.Fatalf("got %s, %v, want %s", got, err, want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Error("the error shows a value")
			}
		})
	}
}

func TestInputs(t *testing.T) {
	base := with(map[string]string{"a": "b", "c": "d"}).Inputs(Options{Strict: true})
	if with(map[string]string{"c": "d\n", "a": "b"}).Inputs(Options{Strict: true}) != base {
		t.Error("the same variables have other inputs")
	}
	for name, other := range map[string]Variables{
		"a value":       with(map[string]string{"a": "b", "c": "e"}),
		"one less":      with(map[string]string{"a": "b"}),
		"none":          {},
		"another split": with(map[string]string{"a": "bc", "": "d"}),
	} {
		if other.Inputs(Options{Strict: true}) == base {
			t.Errorf("%s does not change the inputs", name)
		}
	}
	for _, o := range []Options{{}, {Strict: true, Always: true}, {Strict: true, Marker: "x"}} {
		if with(map[string]string{"a": "b", "c": "d"}).Inputs(o) == base {
			t.Errorf("%+v does not change the inputs", o)
		}
	}
}

func TestLaterVariablesWin(t *testing.T) {
	var v Variables
	v.Set(map[string]string{"a": "1", "b": "1"})
	v.Set(map[string]string{"b": "2"})
	v.Set(nil)
	got, err := v.replace(context.Background(), "${a}${b}", true)
	if err != nil || got != "12" {
		t.Errorf("got %s, %v", got, err)
	}
}
