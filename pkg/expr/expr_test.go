package expr

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answers is what became of an expression: yes, no, or part of an error.
func answer(yes bool, err error) string {
	if err != nil {
		return err.Error()
	}
	return map[bool]string{true: "yes", false: "no"}[yes]
}

func TestLoose(t *testing.T) {
	object := map[string]any{
		"metadata": map[string]any{"name": "a", "generation": int64(2)},
		"status": map[string]any{
			"ratio":  0.5,
			"ready":  true,
			"phase":  "Bound",
			"number": int64(3),
			"conditions": []any{
				map[string]any{"type": "Ready", "status": "True"},
				map[string]any{"type": "Synced", "status": "False"},
			},
		},
		"data": map[string]any{"key": "value"},
	}
	cases := map[string]struct{ text, want string }{
		"a field that is true":              {"status.ready", "yes"},
		"a field of another type":           {"status.phase", "failed to evaluate CEL expression as boolean: 'status.phase'"},
		"fields outside of the usual ones":  {"data.key == 'value'", "yes"},
		"a condition":                       {"status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", "yes"},
		"a condition that is not so":        {"status.conditions.all(c, c.status == 'True')", "no"},
		"has":                               {"has(status.absent)", "no"},
		"a field that is missing":           {"status.absent == 1", "failed to evaluate the CEL expression 'status.absent == 1': no such key: absent"},
		"a variable that is missing":        {"spec.x", "no such attribute"},
		"numbers across types":              {"status.number > 2.5 && status.ratio < 1", "yes"},
		"optional fields":                   {"status.?absent.orValue(false)", "no"},
		"the string extension":              {"status.phase.lowerAscii().replace('b', 'r') == 'round'", "yes"},
		"join and format":                   {"['a', 'b'].join('-') == '%s-%s'.format(['a', 'b'])", "yes"},
		"the set extension":                 {"sets.contains(['a', 'b'], ['b']) && sets.equivalent([1], [1]) && sets.intersects([1], [1])", "yes"},
		"the encoder extension":             {"base64.encode(b'hi') == 'aGk='", "yes"},
		"the sum of lists and of strings":   {"[1] + [2] == [1, 2] && 'a' + 'b' == 'ab' && 1 + 2 == 3", "yes"},
		"times":                             {"timestamp('2026-01-01T00:00:00Z') + duration('1h') == timestamp('2026-01-01T01:00:00Z')", "yes"},
		"a sum of what cannot be added":     {"1 + 'a' == 2", "no such overload"},
		"text that does not parse":          {"status.", "failed to parse the CEL expression 'status.': ERROR: <input>:1:8"},
		"nothing at all":                    {"", "failed to parse the CEL expression ''"},
		"a list of several types":           {"[1, 'a'].size() == 2", "yes"}, // checked by types only
		"an expression that is too long":    {strings.Repeat(" ", longestText) + "true", ErrTooLong.Error()},
		"an expression that is too deep":    {strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500), "failed to parse"},
		"a regular expression out of order": {"status.phase.matches('(')", "failed to"},
	}
	c := New()
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := c.Loose(tt.text)
			yes := false
			if err == nil {
				yes, err = p.True(t.Context(), object)
			}
			if got := answer(yes, err); !strings.Contains(got, tt.want) || len(tt.want) < 4 && got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStrict(t *testing.T) {
	objects := map[string]any{
		"self": map[string]any{"metadata": map[string]any{"labels": map[string]any{"v": "1"}}},
		"dep":  map[string]any{"metadata": map[string]any{"labels": map[string]any{"v": "1"}}, "spec": map[string]any{"suspend": true}},
	}
	cases := map[string]struct{ text, want string }{
		"two objects":                 {"dep.metadata.labels['v'] == self.metadata.labels['v']", "yes"},
		"a field alone":               {"dep.spec.suspend", "CEL expression output type mismatch: expected bool, got dyn"},
		"a number":                    {"1 + 1", "CEL expression output type mismatch: expected bool, got int"},
		"a name that nobody declared": {"other.spec.suspend == true", "undeclared reference to 'other'"},
		"a field that is missing":     {"dep.status.phase == 'x'", "failed to evaluate the CEL expression 'dep.status.phase == 'x'': no such key: status"},
		"a list of several types":     {"[1, 'a'].size() == 2", "failed to parse"},
	}
	c := New()
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := c.Strict(tt.text, "dep", "self")
			yes := false
			if err == nil {
				yes, err = p.True(t.Context(), objects)
			}
			if got := answer(yes, err); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Each of these would take minutes, or gigabytes, if it were let.
func TestEvaluationIsBounded(t *testing.T) {
	var numbers []any
	for i := range 4000 {
		numbers = append(numbers, int64(i))
	}
	object := map[string]any{"l": numbers, "few": numbers[:50], "s": strings.Repeat("a", 100_000)}
	cases := map[string]struct{ text, want string }{
		"nested loops":           {"l.all(a, l.all(b, l.all(c, a + b + c >= 0)))", "operation"},
		"a string that doubles":  {"few.map(a, s).join('').size() > 0", "join: the operands are too big"},
		"one replacement":        {"s.replace('a', s).size() > 0", "replace: the operands are too big"},
		"replacement of nothing": {"s.replace('', s).size() > 0", "replace: the operands are too big"},
		"formatting":             {"'%s%s%s%s%s%s%s%s%s%s%s%s'.format([s, s, s, s, s, s, s, s, s, s, s, s]).size() > 0", "format: the operands are too big"},
		"formatting a list":      {"'%s'.format([few.map(a, s)]).size() > 0", "format: the operands are too big"},
		"sums of strings":        {"[s + s + s + s + s + s].map(x, x + x).exists(x, x.size() > 0)", "+: the operands are too big"},
		"sums of lists": {
			"[l + l + l + l].map(x, x + x + x + x).map(x, x + x + x + x).map(x, x + x + x + x).map(x, x + x + x + x).exists(x, x == x)",
			"+: the operands are too big",
		},
		"sets": {"sets.contains(l, l)", "sets.contains: the operands are too big"},
	}
	c := New()
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := c.Loose(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			yes, err := p.True(t.Context(), object)
			if got := answer(yes, err); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEvaluationEndsWithItsContext(t *testing.T) {
	p, err := New().Loose("l.all(a, l.all(b, a == b || true))")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	list := make([]any, 300)
	for i := range list {
		list[i] = int64(i)
	}
	if _, err := p.True(ctx, map[string]any{"l": list}); err == nil {
		t.Error("it went on")
	}
}

func TestProgramsAreKeptUpToALimit(t *testing.T) {
	c := New()
	first, err := c.Loose("true")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * keptMost {
		if again, _ := c.Loose("true"); again != first {
			t.Fatal("a program in use was made anew")
		}
		if _, err := c.Loose(fmt.Sprintf("a == %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int{keptMost, keptMost}, []int{len(c.kept), c.order.Len()}); diff != "" {
		t.Error(diff)
	}
	strict, err := c.Strict("true", "dep")
	if err != nil || strict == first {
		t.Errorf("one program for two languages, %v", err)
	}
}

func TestManyAskAtOnce(t *testing.T) {
	c := New()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 50 {
				p, err := c.Loose(fmt.Sprintf("x == %d", (i+j)%10))
				if err != nil {
					t.Error(err)
					return
				}
				if yes, err := p.True(t.Context(), map[string]any{"x": int64((i + j) % 10)}); !yes || err != nil {
					t.Error(yes, err)
				}
			}
		})
	}
	all.Wait()
}
