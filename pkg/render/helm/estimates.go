package helm

import (
	"reflect"
	"strconv"
	"strings"
)

// estimate returns how many bytes a function is going to make of its arguments, at the
// most. Negative numbers are for the function to complain about.
type estimate func(args []reflect.Value) int64

// estimates are those of functions that make much of little. What they make cannot be
// taken back, so it is counted before.
var estimates = map[string]estimate{
	"repeat":       func(a []reflect.Value) int64 { return times(a[0].Int(), length(a[1])) },
	"indent":       indented,
	"nindent":      indented,
	"until":        func(a []reflect.Value) int64 { return times(abs(a[0].Int()), 8) },
	"untilStep":    func(a []reflect.Value) int64 { return times(rounds(a[0].Int(), a[1].Int(), a[2].Int()), 8) },
	"seq":          func(a []reflect.Value) int64 { return times(sequence(a[0]), 24) },
	"randAlphaNum": characters,
	"randAlpha":    characters,
	"randAscii":    characters,
	"randNumeric":  characters,
	"randBytes":    func(a []reflect.Value) int64 { return times(2, a[0].Int()) },
	"replace": func(a []reflect.Value) int64 {
		return times(int64(strings.Count(a[2].String(), a[0].String())), length(a[1])) + length(a[2])
	},
	"regexReplaceAll":            replacedAll,
	"mustRegexReplaceAll":        replacedAll,
	"regexReplaceAllLiteral":     replacedAll,
	"mustRegexReplaceAllLiteral": replacedAll,
	"wrapWith": func(a []reflect.Value) int64 {
		return times(length(a[2])/max(a[0].Int(), 1)+1, length(a[1])) + length(a[2])
	},
	"split":            func(a []reflect.Value) int64 { return pieces(a[0], a[1]) },
	"splitList":        func(a []reflect.Value) int64 { return pieces(a[0], a[1]) },
	"join":             func(a []reflect.Value) int64 { return times(elements(a[1]), length(a[0])) },
	"regexSplit":       func(a []reflect.Value) int64 { return times(length(a[1]), 16) },
	"mustRegexSplit":   func(a []reflect.Value) int64 { return times(length(a[1]), 16) },
	"regexFindAll":     func(a []reflect.Value) int64 { return times(length(a[1]), 16) },
	"mustRegexFindAll": func(a []reflect.Value) int64 { return times(length(a[1]), 16) },
	"printf":           formatted,
	"dict":             func(a []reflect.Value) int64 { return times(elements(a[0]), 64) },
	"set":              func([]reflect.Value) int64 { return 64 },
	"concat":           func(a []reflect.Value) int64 { return lists(a[0]) },
	"append":           grown, "mustAppend": grown, "push": grown, "mustPush": grown, "prepend": grown, "mustPrepend": grown,
}

// fits refuses a call that would make too much.
func (e *engine) fits(before estimate, args []reflect.Value) error {
	n := before(args)
	if n > e.limits.Output {
		return e.stop("a value or an output has more than %d bytes", e.limits.Output)
	}
	return e.make(max(n, 0))
}

// enough is more than any limit.
const enough = int64(1) << 40

// times multiplies without running over.
func times(a, b int64) int64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	if a > enough/b {
		return enough
	}
	return a * b
}

func abs(n int64) int64 {
	if n < 0 {
		return max(-n, 0)
	}
	return n
}

func length(v reflect.Value) int64 { return int64(v.Len()) }

func characters(a []reflect.Value) int64 { return times(a[0].Int(), 1) }

func indented(a []reflect.Value) int64 {
	return times(int64(strings.Count(a[1].String(), "\n"))+1, a[0].Int()) + length(a[1])
}

func replacedAll(a []reflect.Value) int64 {
	return times(length(a[1])+1, length(a[2]))/8 + length(a[1])
}

// pieces is what the parts of a text take that is split.
func pieces(separator, text reflect.Value) int64 {
	return times(int64(strings.Count(text.String(), separator.String()))+1, 16)
}

// elements returns how many elements a list has, if it is one.
func elements(v reflect.Value) int64 {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Array || v.Kind() == reflect.Map {
		return int64(v.Len())
	}
	return 1
}

// lists is what lists take that are put together.
func lists(v reflect.Value) int64 {
	var n int64
	for i := range v.Len() {
		n += times(elements(v.Index(i)), 16)
	}
	return n
}

// grown is what a list takes that gets one more element.
func grown(a []reflect.Value) int64 { return times(elements(a[0])+1, 16) + 64 }

// rounds returns how many numbers there are from start to stop.
func rounds(start, stop, step int64) int64 {
	if step == 0 {
		return 0
	}
	distance := stop - start
	if (distance < 0) != (stop < start) {
		return enough
	}
	return abs(distance / step)
}

// sequence is how many numbers the function seq yields.
func sequence(v reflect.Value) int64 {
	n := make([]int64, v.Len())
	for i := range n {
		n[i] = v.Index(i).Int()
	}
	switch len(n) {
	case 1:
		return rounds(1, n[0], 1) + 1
	case 2:
		return rounds(n[0], n[1], 1) + 1
	case 3:
		return rounds(n[0], n[2], n[1]) + 1
	}
	return 0
}

// formatted is what a format yields: it repeats arguments as often as it names them, and
// pads each to a width.
func formatted(a []reflect.Value) int64 {
	format, args := a[0].String(), a[1]
	n, longest := length(a[0]), int64(0)
	for i := range args.Len() {
		if s, ok := args.Index(i).Interface().(string); ok {
			n += int64(len(s))
			longest = max(longest, int64(len(s)))
		}
	}
	for rest := format; ; {
		_, after, ok := strings.Cut(rest, "%")
		if !ok {
			return n
		}
		rest = after
		spec := rest[:strings.IndexFunc(rest+"s", isVerb)]
		n += padding(spec)
		if strings.Contains(spec, "[") {
			n += longest
		}
	}
}

// widest is the widest that a format pads to.
const widest = 1_000_000

// padding is how wide a verb of a format is made.
func padding(spec string) int64 {
	if strings.Contains(spec, "*") {
		return widest
	}
	var n int64
	for number := range strings.FieldsFuncSeq(spec, func(r rune) bool { return r < '0' || r > '9' }) {
		if width, err := strconv.ParseInt(number, 10, 32); err == nil {
			n += min(width, widest)
		}
	}
	return n
}

// isVerb says whether a format's specification ends with r.
func isVerb(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '%' }
