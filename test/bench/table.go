package main

import (
	"fmt"
	"strings"
)

// The columns of figures.
const (
	ours  = iota
	stock // of the Flux controllers, if they were measured
	columns
)

// table collects figures.
type table struct {
	rows    []*row
	column  int  // where figures go now
	verbose bool // print requests, too
}

type row struct {
	what, goal string
	figures    [columns]string
	// numbers are the figures that are compared, zero where there is nothing to
	// compare.
	numbers [columns]float64
}

// row adds a figure and what it should be at most.
func (t *table) row(what, goal, format string, args ...any) {
	t.compare(what, goal, 0, format, args...)
}

// compare adds a figure and the number in it, which is divided by that of the Flux
// controllers if they are measured as well. The goal is a figure, or a ratio if it is
// a share such as "a fifth".
func (t *table) compare(what, goal string, number float64, format string, args ...any) {
	r := t.find(what, goal)
	r.figures[t.column], r.numbers[t.column] = fmt.Sprintf(format, args...), number
}

func (t *table) find(what, goal string) *row {
	for _, r := range t.rows {
		if r.what == what {
			return r
		}
	}
	r := &row{what: what, goal: goal}
	t.rows = append(t.rows, r)
	return r
}

// ratio is what fluxd takes of what the Flux controllers take, empty if that was not
// measured.
func (r *row) ratio() string {
	if r.numbers[ours] <= 0 || r.numbers[stock] <= 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", r.numbers[ours]/r.numbers[stock])
}

func (t *table) markdown() string {
	var b strings.Builder
	b.WriteString("| What | fluxd | Flux 2.9 | Ratio | Goal |\n|---|---|---|---|---|\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.what, r.figures[ours], r.figures[stock], r.ratio(), r.goal)
	}
	return b.String()
}
