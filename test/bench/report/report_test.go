package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValues(t *testing.T) {
	for _, c := range []struct {
		value Value
		want  string
	}{
		{Seconds(0), "0 ms"},
		{Seconds(249_600 * time.Microsecond), "250 ms"},
		{Seconds(1923 * time.Millisecond), "1.92 s"},
		{Seconds(14_100 * time.Millisecond), "14.1 s"},
		{Seconds(184*time.Second + 400*time.Millisecond), "184 s"},
		{Bytes(0), "0 B"},
		{Bytes(512), "512 B"},
		{Bytes(1 << 10), "1 KiB"},
		{Bytes(1018 << 10), "0.99 MiB"},
		{Bytes(57<<20 + 300<<10), "57.3 MiB"},
		{Bytes(3 << 30), "3 GiB"},
		{Bytes(-(5 << 20)), "-5 MiB"},
		{Count(1204), "1,204"},
		{Count(1234567), "1,234,567"},
		{Count(-1204), "-1,204"},
		{Count(2.125), "2.12"},
		{Percent(0.513), "0.51 %"},
	} {
		if got := c.value.String(); got != c.want {
			t.Errorf("%v: %s, want %s", c.value, got, c.want)
		}
	}
}

func TestGoals(t *testing.T) {
	for what, c := range map[string]struct {
		goal         Goal
		fluxd, flux  float64
		without      bool // figures of the Flux controllers
		verdict      string
		limit        float64
		limited, bad bool
	}{
		"none":                   {fluxd: 1, flux: 2},
		"a part, reached":        {goal: Part(5), fluxd: 2, flux: 10, verdict: "a fifth ✓", limit: 2, limited: true},
		"a part, missed":         {goal: Part(5), fluxd: 3, flux: 10, verdict: "a fifth ✗", limit: 2, limited: true, bad: true},
		"a part of who knows":    {goal: Part(7), fluxd: 3, without: true, verdict: "1/7"},
		"a figure":               {goal: Most(Count(0)), fluxd: 0, flux: 9, verdict: "0 ✓", limited: true},
		"a figure that is above": {goal: Most(Count(4)), fluxd: 5, without: true, verdict: "4 ✗", limit: 4, limited: true, bad: true},
	} {
		t.Run(what, func(t *testing.T) {
			r := &Row{What: what, Unit: UnitCount, Goal: c.goal, Figures: [subjects]*Figure{{Number: c.fluxd}, {Number: c.flux}}}
			if c.without {
				r.Figures[Flux] = nil
			}
			limit, limited := r.limit()
			if r.verdict() != c.verdict || limit != c.limit || limited != c.limited || r.missed() != c.bad {
				t.Errorf("%q, limit %v %v, missed %v", r.verdict(), limit, limited, r.missed())
			}
		})
	}
}

// sample has a section of both, one that the Flux controllers did not finish, and one
// of fluxd alone.
func sample() *Results {
	machine := Machine{Cores: 2, System: "linux/amd64", Kernel: "Linux 6", Memory: "24 GiB", Go: "go1.26", Fluxd: "abc1234", Flux: "source-controller v1.9.0"}
	install := &Section{Name: "install", Title: "Install", On: machine, About: "100 Kustomizations of 4 objects each, from 100 `GitRepositories`, are created at once."}
	for _, f := range []struct {
		what        string
		fluxd, flux Value
		goal        Goal
	}{
		{Time, Seconds(1920 * time.Millisecond), Seconds(14_100 * time.Millisecond), Part(5)},
		{CPU, Seconds(1400 * time.Millisecond), Seconds(16_700 * time.Millisecond), Part(5)},
		{Peak, Bytes(84 << 20), Bytes(402 << 20), Part(4)},
		{Reads, Count(204), Count(2508), Goal{}},
		{Writes, Count(1600), Count(1500), Most(Count(1600))},
		{Fetched, Bytes(0), Bytes(0), Goal{}},
		{APITraffic, Bytes(3 << 20), Bytes(42 << 20), Goal{}},
	} {
		install.Add(Fluxd, f.what, f.fluxd, f.goal, "")
		install.Add(Flux, f.what, f.flux, f.goal, "")
	}
	install.row(Time).Figures[Fluxd].Note = "creating them: 400 ms"
	chain := &Section{Name: "chain", Title: "Chain", On: machine, About: "Ten Kustomizations, each of which waits for the one before."}
	chain.Add(Fluxd, "beyond the workloads", Seconds(3100*time.Millisecond), Most(Seconds(3*time.Second)), "")
	chain.Add(Fluxd, CPU, Seconds(time.Second), Part(5), "")
	chain.Unfinished[Flux] = "6 of 10 after 10 minutes"
	machine.Flux = ""
	polling := &Section{Name: "polling", Title: "A thousand sources", On: machine, About: "Nothing is new & nothing < happens."}
	polling.Add(Fluxd, Writes, Count(0), Most(Count(0)), "")
	polling.Add(Fluxd, "of one core", Percent(3.21), Most(Percent(5)), "")
	return &Results{Sections: []*Section{install, chain, polling}}
}

func TestPage(t *testing.T) {
	page := sample().Page()
	for _, want := range []string{
		"| [Install](#install) | **1.92 s** / 14.1 s | **1.40 s** / 16.7 s | **84 MiB** / 402 MiB | **204** / 2,508 | **1,600** / 1,500 | **0 B** / 0 B | **3 MiB** / 42 MiB |\n",
		"| time | 1.92 s (creating them: 400 ms) | 14.1 s | 0.14 | a fifth ✓ |\n",
		"| API writes | 1,600 | 1,500 | 1.07 | 1,600 ✓ |\n",
		"| beyond the workloads | 3.10 s | unfinished |  | 3 s ✗ |\n",
		"The Flux controllers did not come to the end of it: 6 of 10 after 10 minutes.\n",
		"| of one core | 3.21 % |  |  | 5 % ✓ |\n",
		"Flux with source-controller v1.9.0 (Install, Chain).\n",
		"fluxd at abc1234 (A thousand sources).\n",
		"(benchmarks/overview.svg)", "(benchmarks/polling.svg)",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %q in:\n%s", want, page)
		}
	}
	if strings.Contains(page, "[A thousand sources](") {
		t.Error("a section with two figures is in the overview")
	}
}

func TestTable(t *testing.T) {
	table := sample().Table()
	if want := "| install: peak memory | 84 MiB | 402 MiB | 0.21 | a quarter ✓ |\n"; !strings.Contains(table, want) {
		t.Errorf("there is no %q in:\n%s", want, table)
	}
	if got := strings.Count(table, "\n"); got != 2+7+2+2 {
		t.Errorf("%d lines:\n%s", got, table)
	}
}

func TestMerge(t *testing.T) {
	names := func(r *Results) (all []string) {
		for _, s := range r.Sections {
			all = append(all, s.Name)
		}
		return all
	}
	with := func(name string, who Subject, n float64) *Section {
		s := &Section{Name: name}
		s.Add(Fluxd, CPU, Count(n), Goal{}, "")
		s.Add(who, CPU, Count(n), Goal{}, "")
		return s
	}
	r := &Results{Sections: []*Section{with("gone", Fluxd, 1), with("b", Flux, 1), with("c", Fluxd, 1)}}
	err := r.Merge([]string{"a", "b", "c"}, with("c", Flux, 2), with("b", Fluxd, 2), with("a", Fluxd, 2))
	if !errors.Is(err, ErrLesser) || !strings.Contains(err.Error(), "b: ") {
		t.Errorf("a section without figures that were there: %v", err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names(r)); diff != "" {
		t.Errorf("the order:\n%s", diff)
	}
	for i, want := range []float64{2, 1, 2} {
		if got := r.Sections[i].Rows[0].Figures[Fluxd].Number; got != want {
			t.Errorf("%s is of run %v, want %v", r.Sections[i].Name, got, want)
		}
	}
}

func TestSave(t *testing.T) {
	docs := t.TempDir()
	first := sample()
	if r, err := Load(docs); err != nil || len(r.Sections) > 0 {
		t.Fatalf("before there is anything: %v %v", r, err)
	}
	if err := first.Save(docs); err != nil {
		t.Fatal(err)
	}
	again, err := Load(docs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("what is read is not what was written:\n%s", diff)
	}
	if err := again.Merge([]string{"install"}); err != nil {
		t.Fatal(err)
	}
	if err := again.Save(docs); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(docs, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if diff := cmp.Diff([]string{"install.svg", "overview.svg", "results.json"}, files); diff != "" {
		t.Errorf("the files after a section is gone:\n%s", diff)
	}
}

// Every picture that the page shows is there, and each is XML with what the table says.
func TestCharts(t *testing.T) {
	r := sample()
	charts := r.charts()
	for _, m := range regexp.MustCompile(`\(benchmarks/(.*)\.svg\)`).FindAllStringSubmatch(r.Page(), -1) {
		if charts[m[1]] == "" {
			t.Errorf("there is no chart %s", m[1])
		}
	}
	for name, want := range map[string][]string{
		"install":  {"Install", "1.92 s", "14.1 s", "14 % of Flux", "107 % of Flux", "goal: a fifth", "402 MiB"},
		"chain":    {"3.10 s", "unfinished", "goal: 3 s, missed"},
		"polling":  {"Nothing is new & nothing < happens.", "3.21 %", "goal: 5 %"},
		"overview": {"Install", "14 %", "8.4 %", "107 %"},
	} {
		texts := textsOf(t, charts[name])
		for _, text := range want {
			if !strings.Contains(texts, "\n"+text+"\n") {
				t.Errorf("%s has no text %q:\n%s", name, text, texts)
			}
		}
	}
	if dir := os.Getenv("CHARTS"); dir != "" { // to look at them
		for name, chart := range charts {
			if err := os.WriteFile(filepath.Join(dir, name+".svg"), []byte(chart), 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}

// A bar is as long as its figure is large, and the goal stands where it is.
func TestBars(t *testing.T) {
	s := &Section{Name: "x", Title: "X"}
	s.Add(Fluxd, CPU, Count(25), Part(2), "")
	s.Add(Flux, CPU, Count(100), Part(2), "")
	s.Add(Fluxd, DryRuns, Count(0), Goal{}, "")
	chart := s.Chart()
	if again := strings.Count(chart, `class="label"`); again != 1 {
		t.Errorf("%d panels, of them one with nothing to show", again)
	}
	left := margin + nameWidth
	for _, want := range []string{
		`width="` + number(barsWidth/4) + `" height="14" rx="3" class="fluxd"`,
		`width="` + number(barsWidth) + `" height="14" rx="3" class="flux"`,
		`<line x1="` + number(left+barsWidth/2) + `"`,
	} {
		if !strings.Contains(chart, want) {
			t.Errorf("there is no %s in:\n%s", want, chart)
		}
	}
}

func TestRatios(t *testing.T) {
	for _, c := range []struct {
		fluxd, flux    float64
		share, percent string
	}{
		{0, 5, "0", "0 %"}, {0.0003, 1, "<0.001", "<0.1 %"}, {0.004, 1, "0.004", "0.4 %"}, {1, 20, "0.05", "5.0 %"}, {1, 3, "0.33", "33 %"}, {3, 2, "1.50", "150 %"},
	} {
		r := &Row{Figures: [subjects]*Figure{{Number: c.fluxd}, {Number: c.flux}}}
		ratio, ok := r.ratio()
		if !ok || r.share() != c.share || percent(ratio) != c.percent {
			t.Errorf("%v of %v: %s, %s", c.fluxd, c.flux, r.share(), percent(ratio))
		}
	}
	if _, ok := (&Row{Figures: [subjects]*Figure{{Number: 1}, {}}}).ratio(); ok {
		t.Error("there is a share of nothing")
	}
}

func TestCut(t *testing.T) {
	for text, want := range map[string]string{"short": "short", "exactly so": "exactly so", "much too long": "much too…", "…………………………": "…………………………", "a b c d e f g": "a b c d e…"} {
		if got := cut(text, 10); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// textsOf returns what an SVG image shows, each text between two ends of lines.
func textsOf(t *testing.T, image string) string {
	t.Helper()
	var all strings.Builder
	all.WriteString("\n")
	decoder, inside := xml.NewDecoder(strings.NewReader(image)), false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, image)
		}
		switch e := token.(type) {
		case xml.StartElement:
			inside = e.Name.Local == "text"
		case xml.CharData:
			if inside {
				all.WriteString(string(e) + "\n")
			}
		case xml.EndElement:
			inside = false
		}
	}
}
