package helm

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"reflect"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// newFunctions returns the functions of templates. Those of the library sprig are the
// most of them; each call of any is counted and measured first.
func (e *engine) newFunctions() template.FuncMap {
	f := sprig.TxtFuncMap()
	delete(f, "env")
	delete(f, "expandenv")
	maps.Copy(f, encodings)
	maps.Copy(f, template.FuncMap{
		"print": fmt.Sprint, "printf": fmt.Sprintf, "println": fmt.Sprintln,
		"html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
		"required": required,
		"fail":     func(text string) (string, error) { return "", say(text) },
		"lookup":   e.lookup, "getHostByName": e.host,
	})
	for name, function := range f {
		f[name] = e.guard(name, function)
	}
	maps.Copy(f, template.FuncMap{
		stepFunction:  func() (bool, error) { return false, e.step() },
		enterFunction: func(weight int) (bool, error) { return false, e.enter(weight) },
		leaveFunction: func(weight int) bool { e.leave(weight); return false },
		printFunction: e.print,
		keepFunction:  e.keep,
		// Each set of templates has its own, see bind.
		"include": func(string, any) (string, error) { return "", nil },
		"tpl":     func(string, any) (string, error) { return "", nil },
	})
	return f
}

// print measures what is printed.
func (e *engine) print(value any) (any, error) {
	switch value.(type) {
	case nil, string, bool, int, int64, float64:
		return value, e.step()
	}
	if _, err := e.weigh(value); err != nil {
		return nil, err
	}
	return value, e.step()
}

// keep counts what a variable holds.
func (e *engine) keep(value any) (any, error) {
	if err := e.make(shallow(value)); err != nil {
		return nil, err
	}
	return value, e.step()
}

// guard returns a function that is counted, whose arguments are measured before and whose
// result is after. It is called only through reflection anyway.
func (e *engine) guard(name string, function any) any {
	v := reflect.ValueOf(function)
	deep, before := !shallowFunctions[name], estimates[name]
	return reflect.MakeFunc(v.Type(), func(args []reflect.Value) []reflect.Value {
		stopIf(e.step())
		if deep {
			stopIf(e.weighAll(args))
		}
		if before != nil {
			stopIf(e.fits(before, args))
		}
		var out []reflect.Value
		if v.Type().IsVariadic() {
			out = v.CallSlice(args)
		} else {
			out = v.Call(args)
		}
		if out[0].Kind() != reflect.Interface || !out[0].IsNil() {
			stopIf(e.make(shallow(out[0].Interface())))
		}
		return out
	}).Interface()
}

// stopIf ends the function that is running: package template makes an error of it, for
// those that have none to return as well.
func stopIf(err error) {
	if err != nil {
		panic(err)
	}
}

// weighAll measures all arguments of a function.
func (e *engine) weighAll(args []reflect.Value) error {
	for _, arg := range args {
		switch arg.Kind() {
		case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
			continue
		}
		if _, err := e.weigh(arg.Interface()); err != nil {
			return err
		}
	}
	return nil
}

// shallowFunctions look at their arguments, or put them into something, without looking
// into them. They need not be measured.
var shallowFunctions = func() map[string]bool {
	names := make(map[string]bool)
	for name := range strings.FieldsSeq(`add add1 add1f addf all any append atoi base biggest ceil chunk clean coalesce compact concat
		default dict dig div empty fail first float64 floor get hasKey index initial int int64 keys kindIs kindOf last len list lookup max maxf
		min minf mod mul mulf mustAppend mustChunk mustCompact mustFirst mustInitial mustLast mustPrepend mustPush mustRest mustReverse
		mustSlice now omit pick pluck prepend push required rest reverse round seq set slice sub subf ternary tuple typeIs typeIsLike
		typeOf unset until untilStep values`) {
		names[name] = true
	}
	return names
}()

// required fails for a value that is missing.
func required(text string, value any) (any, error) {
	if value == nil || value == "" {
		return value, say(text)
	}
	return value, nil
}

// lookup asks the cluster.
func (e *engine) lookup(apiVersion, kind, namespace, name string) (map[string]any, error) {
	if e.in.Lookup == nil {
		return map[string]any{}, nil
	}
	found, err := e.in.Lookup(e.ctx, apiVersion, kind, namespace, name)
	if found == nil {
		found = map[string]any{}
	}
	return found, err
}

// host returns one address of a host, or nothing: templates that need one are no good
// without a network.
func (e *engine) host(name string) string {
	if !e.in.AllowDNS {
		return ""
	}
	addresses, err := net.DefaultResolver.LookupHost(e.ctx, name)
	if err != nil || len(addresses) == 0 {
		return ""
	}
	return addresses[rand.IntN(len(addresses))]
}
