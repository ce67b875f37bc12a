package expr

import (
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// biggest is how much one call may make, or compare, in bytes, elements, or pairs of
// elements. The cost of a call is counted once it is done, which is too late for one
// that alone takes all the memory there is.
const biggest = 1 << 20

// weights are the functions that can make much of little, and how much.
var weights = map[string]func([]ref.Val) int{
	operators.Add: func(args []ref.Val) int { return size(args[0]) + size(args[1]) },
	"replace":     replaced,
	"join": func(args []ref.Val) int {
		separator := 0
		if len(args) > 1 {
			separator = size(args[1])
		}
		return size(args[0])*separator + deepSize(args[0])
	},
	"format":          func(args []ref.Val) int { return size(args[0]) + deepSize(args[1]) },
	"sets.contains":   pairs,
	"sets.equivalent": pairs,
	"sets.intersects": pairs,
}

// guards puts a weighing before the calls that can make much of little.
func guards(env *cel.Env) interpreter.InterpretableDecoratorV2 {
	declared := env.Functions()
	return func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		call, ok := i.(interpreter.InterpretableCall)
		if !ok {
			return i, nil
		}
		weight := weights[call.Function()]
		if weight == nil || len(call.Args()) == 0 {
			return i, nil
		}
		bindings, err := declared[call.Function()].Bindings()
		if err != nil {
			return nil, err
		}
		carryOut := dispatch(call.Function(), bindings)
		return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
			if weight(args) > biggest {
				return types.NewErr("%s: the operands are too big", strings.Trim(call.Function(), "_"))
			}
			return carryOut(args...)
		}), nil
	}
}

// dispatch returns the implementation of a function for operands of any type.
func dispatch(name string, bindings []*functions.Overload) functions.FunctionOp {
	for _, b := range bindings {
		if b.Operator == name {
			return func(args ...ref.Val) ref.Val {
				switch {
				case len(args) == 1 && b.Unary != nil:
					return b.Unary(args[0])
				case len(args) == 2 && b.Binary != nil:
					return b.Binary(args[0], args[1])
				case b.Function != nil:
					return b.Function(args...)
				}
				return types.NoSuchOverloadErr()
			}
		}
	}
	return func(...ref.Val) ref.Val { return types.NoSuchOverloadErr() }
}

// size is the length of a string or list; of anything else it is 1.
func size(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v)
	case types.Bytes:
		return len(v)
	case traits.Sizer:
		if n, ok := v.Size().(types.Int); ok {
			return int(n)
		}
	}
	return 1
}

// replaced is how long a string may get by replace(old, new).
func replaced(args []ref.Val) int {
	if len(args) < 3 {
		return 0
	}
	text, ok := args[0].(types.String)
	old, isOld := args[1].(types.String)
	if !ok || !isOld {
		return 0
	}
	return len(text) + strings.Count(string(text), string(old))*size(args[2])
}

func pairs(args []ref.Val) int {
	if len(args) < 2 {
		return 0
	}
	return size(args[0]) * size(args[1])
}

// deepSize is the size of everything in v together, as far as it is of interest.
func deepSize(v ref.Val) int {
	total := size(v)
	switch v := v.(type) {
	case traits.Lister:
		for it := v.Iterator(); total <= biggest && it.HasNext() == types.True; {
			total += deepSize(it.Next())
		}
	case traits.Mapper:
		for it := v.Iterator(); total <= biggest && it.HasNext() == types.True; {
			key := it.Next()
			total += deepSize(key) + deepSize(v.Get(key))
		}
	}
	return total
}
