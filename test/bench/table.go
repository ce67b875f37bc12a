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
}

// row adds a figure and what it should be at most.
func (t *table) row(what, goal, format string, args ...any) {
	figure := fmt.Sprintf(format, args...)
	for _, r := range t.rows {
		if r.what == what {
			r.figures[t.column] = figure
			return
		}
	}
	r := &row{what: what, goal: goal}
	r.figures[t.column] = figure
	t.rows = append(t.rows, r)
}

func (t *table) markdown() string {
	var b strings.Builder
	b.WriteString("| What | fluxd | Flux 2.9 | Goal |\n|---|---|---|---|\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.figures[ours], r.figures[stock], r.goal)
	}
	return b.String()
}
