package expr

import (
	"container/list"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
)

// Limits of what is accepted and kept.
const (
	longestText = 16 << 10 // bytes of one expression
	deepest     = 100      // nesting of one expression
	keptMost    = 256      // programs
)

// ErrTooLong says that an expression has more text than is accepted.
var ErrTooLong = errors.New("the CEL expression is longer than 16 KiB")

// Compiler makes programs of expressions and keeps those that were asked for last.
type Compiler struct {
	environment func() (*cel.Env, error)

	mu    sync.Mutex // guards the fields below
	kept  map[source]*list.Element
	order *list.List // of *entry, the one asked last in front
}

// source is what a program is made of.
type source struct{ text, variables string }

type entry struct {
	source
	program *Program
}

// New returns a compiler. It sets up nothing yet.
func New() *Compiler {
	return &Compiler{
		environment: sync.OnceValues(newEnvironment),
		kept:        make(map[source]*list.Element), order: list.New(),
	}
}

// Loose compiles an expression over variables of any name and type. Types are not
// checked before it is evaluated.
func (c *Compiler) Loose(text string) (*Program, error) { return c.program(source{text: text}) }

// Strict compiles an expression over objects of the given names, each a map. That it
// is well typed and yields a boolean is checked here: a bare field does not pass,
// because nobody knows its type.
func (c *Compiler) Strict(text string, variables ...string) (*Program, error) {
	return c.program(source{text: text, variables: strings.Join(variables, ",")})
}

// program returns the program of s, made now or before.
func (c *Compiler) program(s source) (*Program, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.kept[s]; e != nil {
		c.order.MoveToFront(e)
		return e.Value.(*entry).program, nil
	}
	p, err := c.compile(s)
	if err != nil {
		return nil, err
	}
	c.kept[s] = c.order.PushFront(&entry{s, p})
	if c.order.Len() > keptMost {
		oldest := c.order.Remove(c.order.Back()).(*entry)
		delete(c.kept, oldest.source)
	}
	return p, nil
}

func (c *Compiler) compile(s source) (p *Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("failed to parse the CEL expression '%s': panic: %v", s.text, r)
		}
	}()
	if len(s.text) > longestText {
		return nil, ErrTooLong
	}
	env, err := c.environment()
	if err != nil {
		return nil, fmt.Errorf("failed to create CEL environment: %w", err)
	}
	ast, err := parse(env, s)
	if err != nil {
		return nil, err
	}
	program, err := env.Program(ast, limits(env)...)
	if err != nil {
		return nil, fmt.Errorf("failed to create CEL program: %w", err)
	}
	return &Program{text: s.text, program: program}, nil
}

// parse returns the tree of an expression, checked if its variables are known.
func parse(env *cel.Env, s source) (*cel.Ast, error) {
	if s.variables == "" {
		ast, issues := env.Parse(s.text)
		return ast, problem(s.text, issues)
	}
	var declared []cel.EnvOption
	for name := range strings.SplitSeq(s.variables, ",") {
		declared = append(declared, cel.Variable(name, cel.ObjectType("google.protobuf.Struct")))
	}
	env, err := env.Extend(declared...)
	if err != nil {
		return nil, fmt.Errorf("failed to create CEL environment: %w", err)
	}
	ast, issues := env.Compile(s.text)
	if err := problem(s.text, issues); err != nil {
		return nil, err
	}
	if got := ast.OutputType(); got != cel.BoolType {
		return nil, fmt.Errorf("CEL expression output type mismatch: expected %s, got %s", cel.BoolType, got)
	}
	return ast, nil
}

func problem(text string, issues *cel.Issues) error {
	if issues.Err() == nil {
		return nil
	}
	return fmt.Errorf("failed to parse the CEL expression '%s': %s", text, issues)
}

func newEnvironment() (*cel.Env, error) {
	return cel.NewEnv(
		cel.HomogeneousAggregateLiterals(), cel.EagerlyValidateDeclarations(true), cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(),
		ext.Strings(), ext.Sets(), ext.Encoders(),
		cel.ParserRecursionLimit(deepest), cel.ParserExpressionSizeLimit(longestText),
	)
}
