package helm

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// meter counts what the templates of one chart do, and stops them. It is for one
// goroutine.
type meter struct {
	ctx    context.Context
	limits Limits

	steps, written int64
	depth          int
	// stopped is why templates may not go on. It stands whatever they make of it.
	stopped error
}

// maxNesting is how deep a value may be nested that is printed, encoded or compared. The
// functions that do so are recursive, and some follow a value that contains itself for
// ever.
const maxNesting = 500

// stop ends the templates.
func (m *meter) stop(format string, args ...any) error {
	if m.stopped == nil {
		m.stopped = fmt.Errorf("%w: %s", ErrLimit, fmt.Sprintf(format, args...))
	}
	return m.stopped
}

// step counts a round of a loop or a call.
func (m *meter) step() error {
	m.steps++
	switch {
	case m.stopped != nil:
		return m.stopped
	case m.steps > m.limits.Steps:
		return m.stop("it takes more than %d steps", m.limits.Steps)
	case m.steps%64 == 0:
		return m.check()
	}
	return nil
}

// check ends the templates with their context.
func (m *meter) check() error {
	err := m.ctx.Err()
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(m.ctx), errSlow):
		return m.stop("it runs for more than %s", m.limits.Time)
	case m.stopped == nil:
		m.stopped = err
	}
	return m.stopped
}

// errSlow is why the context of templates ends that run for too long.
var errSlow = errors.New("templates are slow")

// make counts bytes that are about to be made.
func (m *meter) make(n int64) error {
	if n > m.limits.Output {
		return m.stop("a value or an output has more than %d bytes", m.limits.Output)
	}
	m.written += n
	if m.written > m.limits.Written {
		return m.stop("templates write more than %d bytes", m.limits.Written)
	}
	return m.stopped
}

// enter counts a template that is called, whose own text is nested as deep as weight.
func (m *meter) enter(weight int) error {
	if err := m.step(); err != nil {
		return err
	}
	if m.depth += weight; m.depth > m.limits.Depth*depthUnit {
		return m.stop("templates call each other more than %d deep", m.limits.Depth)
	}
	return nil
}

func (m *meter) leave(weight int) { m.depth -= weight }

// depthUnit is how deep the text of an ordinary template is nested.
const depthUnit = 8

// size is what a value amounts to when it is written out.
type size struct {
	nodes int
	bytes int64
}

// weigh measures a value and everything in it, as often as it is in there. It refuses one
// that is nested too deep, has too many parts or would be too long.
func (m *meter) weigh(value any) (size, error) {
	var s size
	err := m.add(&s, value, 0)
	return s, err
}

func (m *meter) add(s *size, value any, depth int) error {
	if err := m.node(s, depth); err != nil {
		return err
	}
	switch v := value.(type) {
	case nil, bool, int, int64, float64:
		return nil
	case string:
		s.bytes += int64(len(v))
	case []byte:
		s.bytes += int64(len(v))
	case map[string]any:
		return m.addMap(s, v, depth)
	case Values:
		return m.addMap(s, v, depth)
	case []any:
		for _, item := range v {
			if err := m.add(s, item, depth+1); err != nil {
				return err
			}
		}
	default:
		return m.reflected(s, reflect.ValueOf(value), depth)
	}
	return nil
}

func (m *meter) addMap(s *size, v map[string]any, depth int) error {
	for key, item := range v {
		s.bytes += int64(len(key))
		if err := m.add(s, item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// node counts one part of a value. What is nested is indented.
func (m *meter) node(s *size, depth int) error {
	s.nodes++
	s.bytes += int64(2*depth + 4)
	switch {
	case depth > maxNesting:
		return m.stop("a value is nested more than %d deep", maxNesting)
	case s.nodes > m.limits.Nodes:
		return m.stop("a value has more than %d parts", m.limits.Nodes)
	case s.bytes > m.limits.Output:
		return m.stop("a value has more than %d bytes", m.limits.Output)
	}
	return nil
}

// reflected measures what is of no common type.
func (m *meter) reflected(s *size, v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.String:
		s.bytes += int64(v.Len())
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			return m.inner(s, v.Elem(), depth)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := m.inner(s, it.Key(), depth+1); err != nil {
				return err
			}
			if err := m.inner(s, it.Value(), depth+1); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := m.inner(s, v.Index(i), depth+1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if err := m.inner(s, v.Field(i), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// inner measures a part of a value, by its type if that can be seen.
func (m *meter) inner(s *size, v reflect.Value, depth int) error {
	if v.CanInterface() {
		return m.add(s, v.Interface(), depth)
	}
	if err := m.node(s, depth); err != nil {
		return err
	}
	return m.reflected(s, v, depth)
}

// shallow returns the bytes that a value takes by itself.
func shallow(value any) int64 {
	switch v := value.(type) {
	case string:
		return int64(len(v))
	case []byte:
		return int64(len(v))
	case []any:
		return 16 * int64(len(v))
	case []string:
		return 16 * int64(len(v))
	case []int:
		return 8 * int64(len(v))
	}
	return 0
}
