package substitute

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/envsubst"
)

func with(values map[string]string) Variables {
	var v Variables
	v.Set(values)
	return v
}

// The grammar, row by row of its specification.
func TestReplace(t *testing.T) {
	values := map[string]string{
		"v": "value", "empty": "", "path": "/usr/local/lib.tar.gz", "word": "éclair Été", "n": "3", "other": "o", "slashes": "a/b/c",
	}
	cases := map[string]struct{ in, out string }{
		"nothing":                                 {"", ""},
		"plain text":                              {"a $ b $x {v} }", "a $ b $x {v} }"},
		"a dollar at the end":                     {"a$", "a$"},
		"a variable":                              {"<${v}>", "<value>"},
		"several":                                 {"${v}${other}-${v}", "valueo-value"},
		"an escaped expression":                   {"$${v}", "${v}"},
		"an escaped dollar before one":            {"$$${v}", "$value"},
		"two escaped dollars":                     {"$$$$", "$$"},
		"an escaped word":                         {"$$v", "$v"},
		"length":                                  {"${#v} ${#word}", "5 13"},
		"first letter, all letters":               {"${v^} ${v^^} ${word^}", "Value VALUE Éclair Été"},
		"lower":                                   {"${word,,} ${word,}", "éclair été éclair Été"},
		"from a position":                         {"${v:1}", "alue"},
		"from the end":                            {"${v:-2} ${v: -2}", "value value"},
		"part":                                    {"${v:1:2}", "al"},
		"a position before the beginning":         {"${v:0:99}", "value"},
		"a position behind the end":               {"<${v:9}><${v:9:1}>", "<><>"},
		"a position that is none":                 {"${v:x}${v:1:x}", "valuevalue"},
		"a position that is a variable":           {"${v:${n}}", "ue"},
		"default, of what is set":                 {"${v=d}${v:=d}${v:-d}", "valuevaluevalue"},
		"default, of what is not set":             {"${u=d}${u:=d}${u:-d}", "ddd"},
		"default, of what is empty":               {"${empty=d}${empty:=d}${empty:-d}", "ddd"},
		"a default with a variable":               {"${u:-a${v}b}", "avalueb"},
		"a default in a default":                  {"${u:-${w:-x}}", "x"},
		"an empty default":                        {"<${u:-}>", "<>"},
		"a default cannot have a brace":           {`${u:-{"a":1}}`, `{"a":1}`},
		"a default of several lines":              {"${u:-a\nb}", "a\nb"},
		"other operators are defaults too":        {"${u:?a}${u:+b}${v:+c}", "abvalue"},
		"shortest beginning":                      {"${path#*/}", "usr/local/lib.tar.gz"},
		"longest beginning":                       {"${path##*/}", "lib.tar.gz"},
		"shortest end":                            {"${path%.*}", "/usr/local/lib.tar"},
		"longest end":                             {"${path%%.*}", "/usr/local/lib"},
		"no match":                                {"${path#x}${v%x}", "/usr/local/lib.tar.gzvalue"},
		"a class, any letter, a literal":          {"${v#[a-z]}${v#?}${v#va}", "aluealuelue"},
		"a negated class":                         {"${v#[^a-z]}", "value"},
		"a bad pattern":                           {"${v#[}", "value"},
		"replace the first, all":                  {"${slashes/a/x} ${path//\\//-}", "x/b/c -usr-local-lib.tar.gz"},
		"replace by nothing":                      {"${v/a/}${v//a/}", "vluevlue"},
		"replace beginning and end":               {"${v/#va/x}${v/%ue/x}${v/#x/y}", "xluevalxvalue"},
		"replace is literal":                      {"${v/*/x}", "value"},
		"escapes in replace":                      {`${slashes/\//\\}`, `a\b/c`},
		"a brace is part of what is looked for":   {"${v/}/x}", "value"},
		"what came out is not looked at again":    {"${expr}", ""},
		"a letter that is none of ours":           {"${é:-x}", "x"},
		"more than one on a line, over two lines": {"a: ${v}\nb: ${other}\n", "a: value\nb: o\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := with(values).replace(context.Background(), c.in, false)
			if err != nil || got != c.out {
				t.Errorf("got %q, %v, want %q", got, err, c.out)
			}
		})
	}
}

func TestValuesAreNotReplacedAgain(t *testing.T) {
	got, err := with(map[string]string{"a": "${b} $${b}", "b": "${a}"}).replace(context.Background(), "${a}${b}", true)
	if want := "${b} $${b}${a}"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestReplaceRefuses(t *testing.T) {
	const nameless, brace, bad = "unable to parse variable name", "missing closing brace", "bad substitution"
	cases := map[string]struct{ in, want string }{
		"no name":                          {"a ${} b", nameless},
		"a template of another kind":       {"${{ x }}", nameless},
		"an operator for a name":           {"${-x}", nameless},
		"not closed":                       {"${v", brace},
		"a path":                           {"${a.b}", brace},
		"a default without colon":          {"${v-d}", brace},
		"an alternative without colon":     {"${v+d}", brace},
		"an error without colon":           {"${v?d}", brace},
		"no position":                      {"${v:}", "unable to parse substitution within function"},
		"a replacement that is not closed": {"${v/a}", bad},
		"a default that is not closed":     {"${v:=a", "unable to parse substitution within function"},
		"two operators":                    {"${v:=${", "unable to parse variable name"},
		"not closed, with more behind it":  {"${v ${other}", brace},
		"a NUL byte":                       {"a\x00${v}", "NUL"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := with(map[string]string{"v": "value"}).replace(context.Background(), c.in, false)
			if err == nil || !strings.Contains(err.Error(), c.want) || got != "" {
				t.Errorf("got %q, %v, want an error with %q", got, err, c.want)
			}
		})
	}
}

func TestStrict(t *testing.T) {
	const unset = `variable not set (strict mode): "u"`
	cases := map[string]struct{ in, out, err string }{
		"bare":                         {in: "${u}", err: unset},
		"set and empty":                {in: "<${empty}>", out: "<>"},
		"length":                       {in: "${#u}", err: unset},
		"case":                         {in: "${u^^}", err: unset},
		"part":                         {in: "${u:1}", err: unset},
		"trimmed":                      {in: "${u#a}", err: unset},
		"replaced":                     {in: "${u//a/b}", err: unset},
		"defaults":                     {in: "${u=a}${u:=b}${u:-c}${u:+d}${u:?e}", out: "abcde"},
		"a default that is not needed": {in: "${v:=${u}}", err: unset},
		"escaped":                      {in: "$${u}", out: "${u}"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			v := with(map[string]string{"v": "value", "empty": ""})
			got, err := v.replace(context.Background(), c.in, true)
			if got != c.out || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("got %q, %v, want %q, %q", got, err, c.out, c.err)
			}
			if lax, err := v.replace(context.Background(), c.in, false); err != nil || c.err == "" && lax != c.out {
				t.Errorf("without strict mode: got %q, %v", lax, err)
			}
		})
	}
}

// What would be slow, or large, ends in an error, and soon.
func TestReplaceIsBounded(t *testing.T) {
	large := strings.Repeat("a", 1<<20)
	values := with(map[string]string{"large": large, "b": strings.Repeat("b", 1000), "v": "value"})
	cases := map[string]string{
		"a text that is too long":         strings.Repeat("x", maxText+1),
		"a result that is too long":       strings.Repeat("${large}", 100),
		"a product of two values":         "${large//a/${b}}",
		"a product of three values":       "${large//a/${large//a/${large}}}",
		"a pattern that is a variable":    "${large//${v}/${b}}",
		"a pattern over a large value":    "${large#*b}",
		"a pattern that is large":         "${b#" + "${large}" + "}",
		"an expression that is too long":  "${v:-" + strings.Repeat("x", maxExpression) + "}",
		"an expression that is too deep":  strings.Repeat("${u:=", maxExpression/4),
		"many braces, none of which ends": "${v/" + strings.Repeat("}", maxExpression) + strings.Repeat("}", maxExpression),
		"many escapes":                    strings.Repeat("${v/"+strings.Repeat("$$", 10000)+"/}", 100),
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := values.replace(context.Background(), text, false)
			if !errors.Is(err, ErrLimit) || got != "" {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if err != nil && len(err.Error()) > 200 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestReplaceTakesMuch(t *testing.T) {
	large := strings.Repeat("a", 1<<20)
	v := with(map[string]string{"large": large, "v": "v"})
	for name, c := range map[string]struct{ in, out string }{
		"a large value":          {"<${large}>", "<" + large + ">"},
		"many expressions":       {strings.Repeat("${v}", 1<<20), strings.Repeat("v", 1<<20)},
		"many escapes":           {strings.Repeat("$$", 1<<21), strings.Repeat("$", 1<<21)},
		"a large value replaced": {"${large//aaaa/b}", strings.Repeat("b", 1<<18)},
		"deep defaults":          {strings.Repeat("${u:-", 200) + "x" + strings.Repeat("}", 200), "x"},
		"a prefix of much":       {"${large#aa}", large[2:]},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := v.replace(context.Background(), c.in, false); err != nil || got != c.out {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, len(c.out))
			}
		})
	}
}

func TestReplaceSurvivesNumbers(t *testing.T) {
	for _, text := range []string{"${v:9223372036854775807:9223372036854775807}", "${v:1:-9223372036854775808}", "${v:-9223372036854775808:3}", "${v:0:-9}"} {
		got, err := with(map[string]string{"v": "value"}).replace(context.Background(), text, true)
		if err == nil && len(got) > len("9223372036854775808:3") {
			t.Errorf("%s: got %q", text, got)
		}
	}
}

func TestReplaceStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := with(map[string]string{"v": "1"}).replace(ctx, "${v}", true); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// pieces are what the property test puts together.
var pieces = []string{
	"${", "${a", "${b", "${u", "}", "}", "}", "$$", "$", ":", "=", ":=", ":-", ":?", ":+", "-", "/", "//", "/#", "/%", "#", "##",
	"%", "%%", "^", "^^", ",", ",,", "1", "-1", "a", "b", "*", "?", "[", "]", `\`, `\/`, `\\`, " ", "\n", "é", "{", "${a}", "${b:-x}", "${#a}",
}

// Whatever the text is, the result is what the library makes of the whole of it.
func TestReplaceAgreesWithTheLibrary(t *testing.T) {
	values := map[string]string{"a": "abra/cad.abra", "b": "b"}
	random := rand.New(rand.NewPCG(1, 2))
	ended := map[bool]int{}
	for range 50_000 {
		var b strings.Builder
		for range random.IntN(10) + 1 {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		for _, strict := range []bool{false, true} {
			agree(t, b.String(), values, strict, ended)
		}
		if t.Failed() {
			return
		}
	}
	if ended[true] < 5_000 || ended[false] < 5_000 {
		t.Errorf("of the texts, these were good and bad: %v", ended)
	}
}

func agree(t *testing.T, text string, values map[string]string, strict bool, ended map[bool]int) {
	t.Helper()
	want, wantErr := library(text, values, strict)
	got, err := with(values).replace(context.Background(), text, strict)
	if (err == nil) != (wantErr == nil) || err == nil && got != want {
		t.Errorf("%q: got %q, %v, the library says %q, %v", text, got, err, want, wantErr)
	}
	ended[err == nil]++
}

func library(text string, values map[string]string, strict bool) (out string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return envsubst.Eval(text, func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok || !strict
	})
}

func FuzzReplace(f *testing.F) {
	for _, seed := range []string{"${a}", "$${a}", "${a:-${b}}", "${a//\\//-}", "${a#*[}"} {
		f.Add(seed)
	}
	values := map[string]string{"a": "abra/cad.abra", "b": "b"}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 1000 && !strings.Contains(text, "\x00") {
			agree(t, text, values, true, map[bool]int{})
		}
	})
}
