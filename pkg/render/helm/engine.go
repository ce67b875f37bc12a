package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"unsafe"
)

// rendered are what templates yield, by their paths.
type rendered map[string]string

// source is the text of one template, and what it sees.
type source struct {
	text  string
	scope map[string]any
	base  string
}

// engine runs the templates of one chart.
type engine struct {
	*meter
	in        *Input
	release   map[string]any
	functions template.FuncMap
	nestedTpl int
	called    map[string]int // how often each named template is being included
}

// run renders the templates of u and its subcharts with values that are coalesced.
// Whatever they do, it ends.
func run(ctx context.Context, in *Input, u *unit, values map[string]any) (out rendered, err error) {
	limits := in.Limits.orDefaults()
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Time, errSlow)
	defer cancel()
	e := &engine{meter: &meter{ctx: ctx, limits: limits}, in: in, release: in.release(), called: make(map[string]int)}
	at := ""
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %s: %s", ErrTemplate, at, clip(fmt.Sprint(r)))
		}
		if err != nil && e.stopped != nil {
			err = e.stopped
			if errors.Is(err, ErrLimit) {
				err = fmt.Errorf("%s: %w", at, err)
			}
		}
	}()
	sources := make(map[string]source)
	e.collect(u, sources, values)
	return e.renderAll(sources, &at)
}

// renderAll parses all templates and runs those that yield something. At is the one that
// it is about.
func (e *engine) renderAll(sources map[string]source, at *string) (rendered, error) {
	e.functions = e.newFunctions()
	t := template.New("gotpl").Option("missingkey=zero").Funcs(e.functions)
	e.bind(t)
	names := parseOrder(sources)
	for _, name := range names {
		*at = name
		if err := e.step(); err != nil {
			return nil, err
		}
		if err := parseTemplate(t, name, sources[name].text, e.functions); err != nil {
			return nil, parseError(name, err)
		}
	}
	out := make(rendered, len(names))
	total := int64(0)
	for _, name := range names {
		if *at = name; strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		s := sources[name]
		s.scope["Template"] = Values{"Name": name, "BasePath": s.base}
		e.depth = 0
		text, err := e.execute(t, name, s.scope)
		if err != nil {
			return nil, runError(name, err)
		}
		if total += int64(len(text)); total > e.limits.Output {
			return nil, e.stop("templates yield more than %d bytes", e.limits.Output)
		}
		out[name] = present(text)
	}
	return out, nil
}

// present takes out what package template writes for values that are missing.
func present(text string) string { return strings.ReplaceAll(text, "<no value>", "") }

// parseOrder returns the names of templates so that of two definitions of the same name,
// the one of the outer chart counts: it comes last.
func parseOrder(sources map[string]source) []string {
	names := make([]string, 0, len(sources))
	for name := range sources {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return -cmp.Or(cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")), cmp.Compare(a, b))
	})
	return names
}

// execute runs a template.
func (e *engine) execute(t *template.Template, name string, data any) (string, error) {
	w := &output{meter: e.meter}
	err := t.ExecuteTemplate(w, name, data)
	return w.text.String(), err
}

// output is what a template writes to.
type output struct {
	*meter
	text strings.Builder
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	if int64(o.text.Len()+len(p)) > o.limits.Output {
		return 0, o.stop("an output has more than %d bytes", o.limits.Output)
	}
	if err := o.make(int64(len(p))); err != nil {
		return 0, err
	}
	return o.text.Write(p)
}

// bind gives t the functions that call templates of t.
func (e *engine) bind(t *template.Template) {
	t.Funcs(template.FuncMap{
		"include": func(name string, data any) (string, error) { return e.include(t, name, data) },
		"tpl":     func(text string, data any) (string, error) { return e.tpl(t, text, data) },
	})
}

// maxIncludes is how often a named template may be included by itself, as in Helm.
const maxIncludes = 1000

// include returns what a named template yields.
func (e *engine) include(t *template.Template, name string, data any) (string, error) {
	if err := e.step(); err != nil {
		return "", err
	}
	if e.called[name] > maxIncludes {
		return "", e.stop("rendering template has a nested reference name: %s", name)
	}
	e.called[name]++
	defer func() { e.called[name]-- }()
	return e.execute(t, name, data)
}

// maxTpl is how deep calls of tpl may be nested. Each holds a copy of the names of all
// templates.
const maxTpl = 100

// tpl returns what a text yields as a template. What it defines is known within it.
func (e *engine) tpl(parent *template.Template, text string, data any) (string, error) {
	if err := e.step(); err != nil {
		return "", err
	}
	if !strings.Contains(text, "{{") {
		return present(text), e.make(int64(len(text)))
	}
	if e.nestedTpl++; e.nestedTpl > maxTpl {
		return "", e.stop("calls of tpl are nested more than %d deep", maxTpl)
	}
	defer func() { e.nestedTpl-- }()
	t, err := parent.Clone()
	if err != nil {
		return "", fmt.Errorf("cannot clone template: %w", err)
	}
	t.Option("missingkey=zero") // a copy forgets it
	e.bind(t)
	name := parent.Name()
	if err := parseTemplate(t.New(name), name, text, e.functions); err != nil {
		return "", fmt.Errorf("cannot parse template %q: %w", shorten(text), err)
	}
	out, err := e.execute(t, name, data)
	if err != nil {
		return "", fmt.Errorf("error during tpl function execution for %q: %w", shorten(text), err)
	}
	return present(out), nil
}

// shorten returns the beginning of a text, for a message.
func shorten(text string) string {
	if len(text) > 200 {
		return text[:200] + " [...]"
	}
	return text
}

// parseError says where a template does not parse.
func parseError(name string, err error) error {
	if errors.Is(err, ErrLimit) {
		return err
	}
	parts := strings.Split(err.Error(), ": ")
	if len(parts) == 1 {
		return fmt.Errorf("%w: parse error in (%s): %s", ErrTemplate, name, clip(err.Error()))
	}
	return fmt.Errorf("%w: parse error at (%s): %s", ErrTemplate, parts[1], clip(parts[len(parts)-1]))
}

// What a chart says itself, by the functions fail and required, stands between these, so
// that it is all that people get to see.
const saidStart, saidEnd = "HELM_ERR_START", "HELM_ERR_END"

var said = regexp.MustCompile(saidStart + `((?s).*)` + saidEnd)

// say returns the error of a chart that says what is wrong.
func say(text string) error { return errors.New(saidStart + text + saidEnd) }

// runError says where a template fails, and why.
func runError(name string, err error) error {
	var failed template.ExecError
	if !errors.As(err, &failed) {
		return fmt.Errorf("%w: %s: %w", ErrTemplate, name, err)
	}
	parts := strings.SplitN(err.Error(), ": ", 3)
	if len(parts) != 3 {
		return fmt.Errorf("%w: execution error in (%s): %s", ErrTemplate, name, clip(err.Error()))
	}
	if text := said.FindStringSubmatch(parts[2]); text != nil {
		return &told{ErrTemplate, fmt.Sprintf("execution error at (%s): %s", parts[1], clip(text[1]))}
	}
	return &told{ErrTemplate, clip(err.Error())}
}

// text returns the bytes of a file as a string that shares them: files never change.
func text(data []byte) string { return unsafe.String(unsafe.SliceData(data), len(data)) }
