package report

import (
	"fmt"
	"slices"
	"strings"
)

const intro = `# Benchmarks

Written by ` + "`make bench`" + `: not to be edited.

Each scenario has a control plane of its own: etcd, the API server, the controller manager and the scheduler of
Kubernetes, with simulated nodes. fluxd, with the flags of its Deployment, goes through it first, and then the Flux
controllers do: source-controller, kustomize-controller, helm-controller and notification-controller, with those of
theirs. All of it, the servers of Git, charts and images included, runs on one machine and shares its cores. **What says
something is the ratio of two figures of one run**; times and CPU alone are those of that machine.

- **Time** begins with what a user does, such as creating objects, and ends when the last object says that it is done.
- **CPU** is user and system time until the last request, **peak memory** the most resident memory in between. For Flux
  both are the sums over its four controllers.
- **API reads and writes** are requests as the API server audits them, without watches and Leases. Dry-runs change
  nothing and are counted apart.
- **From the sources** are all bytes that Git, registries and chart servers send, and **to and from the API server**
  those in both directions, as they are on the wire: with headers, compressed and, with the API server, encrypted. What
  the Flux controllers send each other is not counted.
- **Goals** are those that fluxd was built for: a share of what Flux takes, or a figure. ✓ is reached, ✗ is not.

`

const again = `
## How to run it again

    make bench PEER_BIN=~/flux-2.9                               # what is compared, in less than half an hour
    make bench PEER_BIN=~/flux-2.9 SCENARIOS="install upgrade"   # some of it: the rest of the page stays as it is
    make bench PEER_BIN=~/flux-2.9 SCENARIOS=all                 # and what is of fluxd alone

[development.md](development.md#measuring) tells what the folder holds and how to look without writing this page.
The figures themselves are in [results.json](benchmarks/results.json).
`

// Page is docs/benchmarks.md.
func (r *Results) Page() string {
	var b strings.Builder
	b.WriteString(intro)
	b.WriteString(r.machines())
	if rows := r.shares(); len(rows) > 0 {
		fmt.Fprintf(&b, "\n## At a glance\n\nWhat fluxd takes of what Flux takes:\n\n![what fluxd takes of what Flux takes](%s/%s.svg)\n", folder, overview)
	}
	if text := r.overview(); text != "" {
		b.WriteString("\n## All of it\n\n" + text)
	}
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n![%s: the figures of the table](%s/%s.svg)\n\n%s%s", s.Title, s.About, s.Title, folder, s.Name, s.table(), s.unfinished())
	}
	b.WriteString(again)
	return b.String()
}

// machines says where and of what the sections were measured.
func (r *Results) machines() string {
	var b strings.Builder
	var seen []Machine
	for _, s := range r.Sections {
		if !slices.Contains(seen, s.On) {
			seen = append(seen, s.On)
		}
	}
	for _, m := range seen {
		fmt.Fprintf(&b, "Measured on %d cores with %s of memory, %s, %s, %s: fluxd at %s", m.Cores, m.Memory, m.System, m.Kernel, m.Go, m.Fluxd)
		if m.Flux != "" {
			b.WriteString(", Flux with " + m.Flux)
		}
		if len(seen) > 1 {
			fmt.Fprintf(&b, " (%s)", strings.Join(r.measuredOn(m), ", "))
		}
		b.WriteString(".\n")
		if len(seen) > 1 {
			b.WriteString("\n")
		}
	}
	return b.String()
}

// measuredOn are the titles of the sections that were measured on a machine.
func (r *Results) measuredOn(m Machine) []string {
	var titles []string
	for _, s := range r.Sections {
		if s.On == m {
			titles = append(titles, s.Title)
		}
	}
	return titles
}

// common are the columns of the overview with their headings.
var common = []struct{ what, heading string }{
	{Time, "Time"}, {CPU, "CPU"}, {Peak, "Peak memory"}, {Reads, "API reads"}, {Writes, "API writes"},
	{Fetched, "From the sources"}, {APITraffic, "To and from the API server"},
}

// overview is the table of the figures that sections have in common: fluxd / Flux.
func (r *Results) overview() string {
	var b strings.Builder
	for _, s := range r.Sections {
		line, found := "", 0
		for _, c := range common {
			cell := ""
			if row := s.row(c.what); row != nil {
				cell = s.pair(row)
				found++
			}
			line += " " + cell + " |"
		}
		if found > 2 {
			fmt.Fprintf(&b, "| [%s](#%s) |%s\n", s.Title, anchor(s.Title), line)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	head, rule := "| fluxd / Flux |", "|---|"
	for _, c := range common {
		head, rule = head+" "+c.heading+" |", rule+"--:|"
	}
	return head + "\n" + rule + "\n" + b.String()
}

func (s *Section) pair(r *Row) string {
	ours, theirs := s.cell(r, Fluxd), s.cell(r, Flux)
	if theirs == "" {
		return ours
	}
	return "**" + ours + "** / " + theirs
}

// cell is a figure without its note.
func (s *Section) cell(r *Row, who Subject) string {
	switch {
	case r.Figures[who] != nil:
		return r.value(who).String()
	case s.Unfinished[who] != "":
		return "unfinished"
	}
	return ""
}

// anchor is the name under which a heading is linked to.
func anchor(title string) string {
	return strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(title, ",", "")), " ", "-")
}

// table is that of one section.
func (s *Section) table() string {
	var b strings.Builder
	b.WriteString("| | fluxd | Flux | Ratio | Goal |\n|---|--:|--:|--:|--:|\n")
	for _, r := range s.Rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.What, s.noted(r, Fluxd), s.noted(r, Flux), r.share(), r.verdict())
	}
	return b.String()
}

func (s *Section) noted(r *Row, who Subject) string {
	text := s.cell(r, who)
	if f := r.Figures[who]; f != nil && f.Note != "" {
		text += " (" + f.Note + ")"
	}
	return text
}

func (s *Section) unfinished() string {
	if s.Unfinished[Flux] == "" {
		return ""
	}
	return "\nThe Flux controllers did not come to the end of it: " + s.Unfinished[Flux] + ".\n"
}

// share is the ratio for people, empty if there is none.
func (r *Row) share() string {
	ratio, ok := r.ratio()
	switch {
	case !ok:
		return ""
	case ratio == 0:
		return "0"
	case ratio < 0.001:
		return "<0.001"
	case ratio < 0.01:
		return fmt.Sprintf("%.3f", ratio)
	}
	return fmt.Sprintf("%.2f", ratio)
}

// verdict is the goal and whether it is reached.
func (r *Row) verdict() string {
	text := r.Goal.text(r.Unit)
	if _, ok := r.limit(); text == "" || !ok || r.Figures[Fluxd] == nil {
		return text
	}
	if r.missed() {
		return text + " ✗"
	}
	return text + " ✓"
}

// Table is everything as one table, for a terminal.
func (r *Results) Table() string {
	var b strings.Builder
	b.WriteString("| What | fluxd | Flux | Ratio | Goal |\n|---|---|---|---|---|\n")
	for _, s := range r.Sections {
		for _, row := range s.Rows {
			fmt.Fprintf(&b, "| %s: %s | %s | %s | %s | %s |\n", s.Name, row.What, s.noted(row, Fluxd), s.noted(row, Flux), row.share(), row.verdict())
		}
	}
	return b.String()
}
