package preview

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fluxd/fluxd/pkg/forecast"
)

// longestValue is how much of a value a line shows, in characters, and mostLines how
// many lines of a text.
const (
	longestValue = 120
	mostLines    = 40
)

// JSON writes the report as one JSON document.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b bytes.Buffer
	for i, o := range r.Results {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeOwner(&b, o)
	}
	if r.Truncated != "" {
		fmt.Fprintf(&b, "\n⚠ %s\n", r.Truncated)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func writeOwner(b *bytes.Buffer, o forecast.Owner) {
	b.WriteString(o.String())
	switch {
	case o.Revision == "":
	case o.Current == "" || o.Current == o.Revision:
		b.WriteString(" at " + o.Revision)
	default:
		b.WriteString(" from " + o.Current + " to " + o.Revision)
	}
	b.WriteByte('\n')
	for _, note := range o.Notes {
		fmt.Fprintf(b, "⚠ %s\n", note)
	}
	if o.Error != "" {
		fmt.Fprintf(b, "✗ %s\n", indented(o.Error))
		return
	}
	for _, obj := range o.Objects {
		writeChange(b, obj)
	}
	drifted := false
	for _, obj := range o.Objects {
		if len(obj.Drift) == 0 && !obj.Restored {
			continue
		}
		if !drifted {
			b.WriteString("drift, which the next apply corrects in any case:\n")
			drifted = true
		}
		writeDrift(b, obj)
	}
	if n := o.Refused(); n > 0 {
		fmt.Fprintf(b, "✗ the apply would stop: of the stage of what is refused nothing is written, nothing after it, and nothing is deleted\n")
	}
	writeTally(b, o)
}

// word is how an action is told; empty if it is not.
func word(a forecast.Action) string {
	switch a {
	case forecast.Created, forecast.Deleted:
		return string(a)
	case forecast.Configured:
		return "changed"
	case forecast.Recreated:
		return "deleted and created again"
	}
	return ""
}

func writeChange(b *bytes.Buffer, obj forecast.Object) {
	switch {
	case obj.Action == forecast.Failed:
		message := obj.Message
		if obj.Withheld {
			message = obj.String() + " is refused"
		}
		fmt.Fprintf(b, "✗ %s\n", indented(message))
	case obj.Action == forecast.Skipped:
		fmt.Fprintf(b, "◎ %s skipped%s\n", obj, because(obj.Message))
	case word(obj.Action) == "", obj.Restored, obj.Action == forecast.Configured && len(obj.Change) == 0 && len(obj.Drift) > 0:
		return
	default:
		fmt.Fprintf(b, "► %s %s%s\n", obj, word(obj.Action), because(obj.Message))
		writeFields(b, obj.Change)
	}
	if obj.Withheld {
		b.WriteString("    (you may not get this object, so its fields are not shown)\n")
	}
	for _, note := range obj.Notes {
		fmt.Fprintf(b, "    ⚠ %s\n", note)
	}
}

func writeDrift(b *bytes.Buffer, obj forecast.Object) {
	if obj.Restored {
		fmt.Fprintf(b, "► %s created, since somebody has deleted it\n", obj)
		return
	}
	fmt.Fprintf(b, "► %s corrected\n", obj)
	writeFields(b, obj.Drift)
}

func because(message string) string {
	if message == "" {
		return ""
	}
	return ": " + indented(message)
}

// longestMessage is how much of a message is shown, in characters: the API server quotes
// whole objects in the middle of some.
const longestMessage = 600

func indented(text string) string {
	if r := []rune(text); len(r) > longestMessage {
		text = string(r[:longestMessage/2]) + " … " + string(r[len(r)-longestMessage/2:])
	}
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

func writeFields(b *bytes.Buffer, fields []forecast.Field) {
	for _, f := range fields {
		before, isText := f.Old.(string)
		after, areTexts := f.New.(string)
		switch {
		case f.Masked:
			fmt.Fprintf(b, "    %s: *** (changed)\n", f.Path)
		case isText && areTexts && strings.Contains(before+after, "\n"):
			fmt.Fprintf(b, "    %s:\n", f.Path)
			writeLines(b, before, after)
		default:
			fmt.Fprintf(b, "    %s: %s → %s\n", f.Path, value(f.Old), value(f.New))
		}
	}
}

// value returns a value on one line.
func value(v any) string {
	if v == nil {
		return "(none)"
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "?"
	}
	text := []rune(strings.TrimSpace(out.String()))
	if len(text) > longestValue {
		return string(text[:longestValue]) + "…"
	}
	return string(text)
}

// writeLines shows the lines between the first and the last that two texts differ in.
func writeLines(b *bytes.Buffer, before, after string) {
	x, y := strings.Split(before, "\n"), strings.Split(after, "\n")
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	if head > 0 {
		fmt.Fprintf(b, "        %s\n", line(x[head-1]))
	}
	writeMarked(b, "-", x[head:len(x)-tail])
	writeMarked(b, "+", y[head:len(y)-tail])
}

func writeMarked(b *bytes.Buffer, mark string, lines []string) {
	for i, text := range lines {
		if i == mostLines {
			fmt.Fprintf(b, "      %s (%d more lines)\n", mark, len(lines)-i)
			return
		}
		fmt.Fprintf(b, "      %s %s\n", mark, line(text))
	}
}

func line(text string) string {
	if r := []rune(text); len(r) > longestValue {
		return string(r[:longestValue]) + "…"
	}
	return text
}

func writeTally(b *bytes.Buffer, o forecast.Owner) {
	counts := map[forecast.Action]int{}
	for _, obj := range o.Objects {
		counts[obj.Action]++
	}
	var parts []string
	for _, a := range []forecast.Action{
		forecast.Created, forecast.Configured, forecast.Recreated, forecast.Deleted, forecast.Failed, forecast.Skipped, forecast.Unchanged,
	} {
		if counts[a] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[a], a))
		}
	}
	if len(parts) == 0 {
		parts = []string{"no objects"}
	}
	b.WriteString(strings.Join(parts, ", ") + "\n")
}
