package substitute

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/fluxcd/pkg/envsubst"
	"github.com/fluxcd/pkg/envsubst/parse"
)

// Bounds of one document.
const (
	// maxText is how long it may be, before and after. The API server takes less.
	maxText = 8 << 20
	// maxExpression is how long one expression may be, with all that is in it.
	maxExpression = 32 << 10
	// maxWork is how many bytes its expressions may touch, about a second's worth.
	maxWork = 1 << 30
)

var (
	// ErrLimit says that a document is too large, or that an expression would do too
	// much work.
	ErrLimit = errors.New("limit exceeded")

	errNUL = errors.New("the text has a NUL byte")
)

// replace replaces the variables in text.
func (v Variables) replace(ctx context.Context, text string, strict bool) (string, error) {
	switch {
	case len(text) > maxText:
		return "", fmt.Errorf("%w: the object has more than %d bytes", ErrLimit, maxText)
	case strings.IndexByte(text, 0) >= 0:
		return "", errNUL // the library takes it for the end
	}
	r := replacer{values: v.values, strict: strict, left: maxWork}
	for len(text) > 0 {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		text = r.plain(text)
		var err error
		if text, err = r.expression(text); err != nil {
			return "", err
		}
		if r.out.Len() > maxText {
			return "", fmt.Errorf("%w: the result has more than %d bytes", ErrLimit, maxText)
		}
	}
	return r.out.String(), nil
}

// replacer is one replacement.
type replacer struct {
	values map[string]string
	strict bool
	left   int // of maxWork
	out    strings.Builder
}

// plain writes the text up to the first expression and returns the rest. Of two
// dollars it writes one.
func (r *replacer) plain(text string) string {
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 || i == len(text)-1 {
			r.out.WriteString(text)
			return ""
		}
		r.out.WriteString(text[:i])
		switch text[i+1] {
		case '{':
			return text[i:]
		case '$':
			r.out.WriteByte('$')
			text = text[i+2:]
		default:
			r.out.WriteByte('$')
			text = text[i+1:]
		}
	}
}

// expression writes what the expression at the beginning of text amounts to and
// returns the rest. Where it ends, the grammar alone can tell: the shortest beginning
// of text that ends with a brace and parses is the expression, since the parser reads
// from left to right and has seen the end of it there.
func (r *replacer) expression(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	window := text[:min(len(text), maxExpression)]
	for end := range braces(window) {
		if err := r.spend(parseCost(window[:end])); err != nil {
			return "", err
		}
		if tree, err := parse.Parse(window[:end]); err == nil {
			return text[end:], r.evaluate(window[:end], tree)
		}
	}
	if _, err := parse.Parse(window); err != nil && len(window) == len(text) {
		return "", err
	}
	return "", fmt.Errorf("%w: an expression has more than %d bytes", ErrLimit, maxExpression)
}

// braces yields the positions behind the closing braces of text.
func braces(text string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range len(text) {
			if text[i] == '}' && !yield(i+1) {
				return
			}
		}
	}
}

// parseCost is how much work the parser has, in bytes copied: it moves the whole text
// for every character that it takes out.
func parseCost(expression string) int {
	escapes := strings.Count(expression, "$$") + strings.Count(expression, `\\`) + strings.Count(expression, `\/`)
	return len(expression) * (8 + escapes)
}

// spend takes work from what is left, or fails.
func (r *replacer) spend(work int) error {
	if r.left -= work; r.left < 0 {
		return fmt.Errorf("%w: the expressions of the object are too much work", ErrLimit)
	}
	return nil
}

// evaluate writes what an expression amounts to.
func (r *replacer) evaluate(expression string, tree *parse.Tree) error {
	if _, err := r.measure(tree.Root); err != nil {
		return err
	}
	value, err := eval(expression, r.lookup)
	if err != nil {
		return err
	}
	r.out.WriteString(value)
	return nil
}

// eval evaluates an expression. Numbers beyond all bounds make the library panic.
func eval(expression string, lookup func(string) (string, bool)) (value string, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("bad substitution: a number is out of range")
		}
	}()
	return envsubst.Eval(expression, lookup)
}

func (r *replacer) lookup(name string) (string, bool) {
	value, ok := r.values[name]
	return value, ok || !r.strict
}
