package report

import (
	"fmt"
	"math"
	"strings"
)

// The measures of a panel, which shows one row of a table.
const (
	gutter      = 40.0 // between two panels
	panelWidth  = (width - 2*margin - gutter) / 2
	panelHeight = 92.0
	nameWidth   = 46.0 // of the subjects' names, left of the bars
	valueWidth  = 86.0 // right of the longest bar
	barHeight   = 14.0
	barPitch    = 20.0
	barsWidth   = panelWidth - nameWidth - valueWidth
	shareWidth  = 100.0 // of what the ratio is said in, above the values
	letterWidth = 7.6   // of a letter of a label, in a font that is wide
)

// charts are the files of all charts, by name.
func (r *Results) charts() map[string]string {
	all := make(map[string]string)
	for _, s := range r.Sections {
		all[s.Name] = s.Chart()
	}
	if rows := r.shares(); len(rows) > 0 {
		all[overview] = sharesChart(rows)
	}
	return all
}

// Chart is an SVG image with a panel for each row that has something to show: a bar for
// fluxd, one for the Flux controllers if they were measured, and a line where the goal
// is.
func (s *Section) Chart() string {
	d := &drawing{}
	d.text(margin, 40, "start", "title", s.Title)
	y := 62.0
	for _, line := range wrap(strings.ReplaceAll(s.About, "`", ""), 118) {
		d.text(margin, y, "start", "soft", line)
		y += 17
	}
	y += 14
	rows := s.shown()
	for i, r := range rows {
		s.panel(d, r, margin+float64(i%2)*(panelWidth+gutter), y+float64(i/2)*panelHeight)
	}
	return d.svg(y+math.Ceil(float64(len(rows))/2)*panelHeight+4, s.Title, s.describe())
}

// shown are the rows without those in which nobody takes anything, as nobody was asked
// not to.
func (s *Section) shown() []*Row {
	var rows []*Row
	for _, r := range s.Rows {
		if _, limited := r.limit(); limited || r.scale() > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// describe says in words what the chart shows.
func (s *Section) describe() string {
	var parts []string
	for _, r := range s.Rows {
		text := r.What + ": fluxd " + s.cell(r, Fluxd)
		if other := s.cell(r, Flux); other != "" {
			text += ", Flux " + other
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// panel draws one row with its corner at x and y.
func (s *Section) panel(d *drawing, r *Row, x, y float64) {
	label, room := strings.ToUpper(r.What[:1])+r.What[1:], panelWidth
	if ratio, ok := r.ratio(); ok {
		d.text(x+panelWidth, y+11, "end", "strong "+tone(ratio), percent(ratio)+" of Flux")
		room -= shareWidth
	}
	d.text(x, y+11, "start", "label", cut(label, int(room/letterWidth)))
	scale := r.scale()
	top := y + 21
	for who := range subjects {
		name, class := "fluxd", "fluxd"
		if who == Flux {
			name, class = "Flux", "flux"
		}
		value := s.cell(r, who)
		if value == "" {
			continue
		}
		at := top + float64(who)*barPitch
		long := 0.0
		if f := r.Figures[who]; f != nil && scale > 0 {
			long = max(f.Number, 0) / scale * barsWidth
		}
		d.text(x, at+11, "start", map[Subject]string{Fluxd: "strong", Flux: "soft"}[who], name)
		d.bar(x+nameWidth, at, barsWidth, barHeight, "track")
		if long > 0 {
			d.bar(x+nameWidth, at, max(long, 2), barHeight, class)
		}
		d.text(x+panelWidth, at+11, "end", map[Subject]string{Fluxd: "strong", Flux: "soft"}[who], value)
	}
	s.goal(d, r, x, top, scale)
}

// goal draws where the goal is and says whether it is reached.
func (s *Section) goal(d *drawing, r *Row, x, top, scale float64) {
	limit, ok := r.limit()
	if !ok {
		return
	}
	at := x + nameWidth
	if scale > 0 {
		at += min(limit/scale, 1) * barsWidth
	}
	bottom := top + barHeight
	if s.cell(r, Flux) != "" {
		bottom += barPitch
	}
	class, text := "small goal", "goal: "+r.Goal.text(r.Unit)
	if r.missed() {
		class, text = "small over", text+", missed"
	}
	d.line(at, top-4, at, bottom+4, "halo") // so that the line shows on bars
	d.line(at, top-4, at, bottom+4, "goal")
	// The text stands below the line and stays in the panel.
	half := float64(len(text)) * 2.8
	d.text(min(max(at, x+nameWidth+half), x+panelWidth-half), bottom+14, "middle", class, text)
}

// scale is what the whole width of the bars stands for.
func (r *Row) scale() float64 {
	most := 0.0
	for _, f := range r.Figures {
		if f != nil {
			most = max(most, f.Number)
		}
	}
	if limit, ok := r.limit(); ok {
		most = max(most, limit)
	}
	return most
}

// tone is the class of a ratio: over is worse than the Flux controllers.
func tone(ratio float64) string {
	if ratio > 1 {
		return "over"
	}
	return "fluxd"
}

// percent says a ratio in the hundred.
func percent(ratio float64) string {
	hundred := 100 * ratio
	switch {
	case hundred > 0 && hundred < 0.1:
		return "<0.1 %"
	case hundred > 0 && hundred < 10:
		return fmt.Sprintf("%.1f %%", hundred)
	}
	return fmt.Sprintf("%.0f %%", hundred)
}

// overview is the name of the chart of all ratios.
const overview = "overview"

// shares are the ratios of a section, by column of the overview; nil where there is none.
type shares struct {
	title  string
	ratios []*float64
}

// shares are the ratios of all sections that have any.
func (r *Results) shares() []shares {
	var all []shares
	for _, s := range r.Sections {
		line, any := shares{title: s.Title, ratios: make([]*float64, len(common))}, false
		for i, c := range common {
			row := s.row(c.what)
			if row == nil {
				continue
			}
			if ratio, ok := row.ratio(); ok {
				line.ratios[i], any = &ratio, true
			}
		}
		if any {
			all = append(all, line)
		}
	}
	return all
}

// short are the headings of the columns of the overview's chart.
var short = []string{"Time", "CPU", "Memory", "API reads", "API writes", "Sources", "API traffic"}

// sharesChart shows in a small bar for each figure what fluxd takes of what the Flux
// controllers take, which is the whole bar.
func sharesChart(lines []shares) string {
	const first, pitch, top = 178.0, 38.0, 96.0
	column := (width - margin - first) / float64(len(common))
	d := &drawing{}
	d.text(margin, 40, "start", "title", "What fluxd takes of what Flux takes")
	d.text(margin, 62, "start", "soft", "A whole bar is what the four Flux controllers take together, in the same run. Less is better.")
	for i, name := range short {
		d.text(first+float64(i)*column, top-4, "start", "soft strong", name)
	}
	var said []string
	for i, line := range lines {
		y := top + 8 + float64(i)*pitch
		d.line(margin, y, width-margin, y, "line")
		d.text(margin, y+24, "start", "label", line.title)
		for j, ratio := range line.ratios {
			x := first + float64(j)*column
			if ratio == nil {
				d.text(x, y+17, "start", "soft", "–")
				continue
			}
			d.text(x, y+17, "start", "strong "+tone(*ratio), percent(*ratio))
			d.bar(x, y+23, column-16, 6, "track")
			if *ratio > 0 {
				d.bar(x, y+23, max(min(*ratio, 1)*(column-16), 2), 6, tone(*ratio))
			}
			said = append(said, fmt.Sprintf("%s, %s: %s", line.title, short[j], percent(*ratio)))
		}
	}
	return d.svg(top+20+float64(len(lines))*pitch, "What fluxd takes of what Flux takes", strings.Join(said, "; "))
}
