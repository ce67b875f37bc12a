package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// width is that of every chart, in the units of its view box, which are pixels where
// it is shown as large as it is.
const width = 800

// margin is between the border of a chart and what is in it.
const margin = 28

// style are the colours, which follow what the reader has asked their system for.
const style = `<style>
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#1f2937;font-size:12px}
.title{font-size:18px;font-weight:700}.soft{fill:#6b7280}.small{font-size:10.5px}.strong{font-weight:600}.label{font-size:13px;font-weight:600}
.card{fill:#fff;stroke:#e2e6ec}.track{fill:#f1f4f8}.line{stroke:#e5e9ef}.halo{stroke:#fff;stroke-width:4}
.fluxd{fill:#2563eb}.flux{fill:#aab4c3}.over{fill:#d97706}.goal{stroke:#059669;stroke-width:1.5;stroke-dasharray:3 3}
text.fluxd{fill:#1d4ed8}text.over{fill:#b45309}text.goal{fill:#047857;stroke:none}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.soft{fill:#95a1b2}.card{fill:#0f141b;stroke:#2b323d}.track{fill:#1a212b}.line{stroke:#232b36}.halo{stroke:#0f141b}
.fluxd{fill:#4f8ff7}.flux{fill:#5b6676}.over{fill:#e8a33d}.goal{stroke:#3fb984}
text.fluxd{fill:#7db0ff}text.over{fill:#f0b45c}text.goal{fill:#58cf9b}
}
</style>
`

// drawing is a chart that grows downwards.
type drawing struct {
	strings.Builder
}

// text draws a line of text; the anchor is start, middle or end.
func (d *drawing) text(x, y float64, anchor, class, content string) {
	fmt.Fprintf(d, "<text x=\"%s\" y=\"%s\" text-anchor=\"%s\" class=\"%s\">%s</text>\n", number(x), number(y), anchor, class, escape(content))
}

// bar draws a box with round corners.
func (d *drawing) bar(x, y, w, h float64, class string) {
	fmt.Fprintf(d, "<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" rx=\"3\" class=\"%s\"/>\n", number(x), number(y), number(w), number(h), class)
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(d, "<line x1=\"%s\" y1=\"%s\" x2=\"%s\" y2=\"%s\" class=\"%s\"/>\n", number(x1), number(y1), number(x2), number(y2), class)
}

// svg is the drawing as a file, on a card of its own, so that it can be read on any
// page. Title and about are what a screen reader says.
func (d *drawing) svg(height float64, title, about string) string {
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %s\" width=\"%d\" height=\"%s\" role=\"img\" aria-labelledby=\"t d\">\n"+
		"<title id=\"t\">%s</title>\n<desc id=\"d\">%s</desc>\n%s<rect x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%s\" rx=\"10\" class=\"card\"/>\n%s</svg>\n",
		width, number(height), width, number(height), escape(title), escape(about), style, width-1, number(height-1), d.String())
}

// cut shortens text to n characters, the last of which says that there were more.
func cut(text string, n int) string {
	letters := []rune(text)
	if len(letters) <= n {
		return text
	}
	return strings.TrimRight(string(letters[:n-1]), " ,") + "…"
}

// number writes a coordinate with a tenth of a pixel.
func number(n float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0") }

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace

// wrap breaks text into lines of at most n characters, but never a word.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > n {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
