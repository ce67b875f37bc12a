package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Subject is who was measured.
type Subject int

// The subjects, which are the columns of the table.
const (
	Fluxd Subject = iota
	Flux          // the Flux controllers together
	subjects
)

// The figures that sections have in common, and that are the columns of the overview.
const (
	Time       = "time"
	CPU        = "CPU"
	Peak       = "peak memory"
	Reads      = "API reads"
	Writes     = "API writes"
	DryRuns    = "API dry-runs"
	Fetched    = "from the sources"
	APITraffic = "to and from the API server"
	ServerCPU  = "CPU of the API server and etcd"
)

// Results are sections in the order of the page.
type Results struct {
	Sections []*Section `json:"sections"`
}

// Section is one thing that was measured.
type Section struct {
	// Name is that of the scenario and of the chart's file; Title is for people, About
	// says in a sentence or two what was done.
	Name, Title, About string
	// On is where it was measured.
	On   Machine
	Rows []*Row
	// Unfinished says why a subject has not come to the end, by subject.
	Unfinished [subjects]string
}

// Machine is what figures depend on, without what would tell whose machine it is.
type Machine struct {
	Cores  int
	System string // as linux/amd64
	Kernel string // as Linux 6
	Memory string // as 24 GiB
	Go     string
	Fluxd  string // the commit
	Flux   string // versions of the Flux controllers, empty if they were not measured
}

// Row is one figure of each subject.
type Row struct {
	What    string
	Unit    Unit
	Goal    Goal
	Figures [subjects]*Figure
}

// Figure is a number and what is to be said about it, which may be nothing.
type Figure struct {
	Number float64
	Note   string `json:",omitempty"`
}

// Add adds a figure of a subject.
func (s *Section) Add(who Subject, what string, v Value, goal Goal, note string) {
	r := s.row(what)
	if r == nil {
		r = &Row{What: what, Unit: v.Unit}
		s.Rows = append(s.Rows, r)
	}
	r.Goal, r.Figures[who] = goal, &Figure{Number: v.Number, Note: note}
}

// row returns the row of a name, nil if there is none.
func (s *Section) row(what string) *Row {
	for _, r := range s.Rows {
		if r.What == what {
			return r
		}
	}
	return nil
}

// has says whether there are figures of a subject.
func (s *Section) has(who Subject) bool {
	return slices.ContainsFunc(s.Rows, func(r *Row) bool { return r.Figures[who] != nil })
}

// value is a figure with its unit. It may be asked for only if there is one.
func (r *Row) value(who Subject) Value { return Value{r.Figures[who].Number, r.Unit} }

// ratio is what fluxd takes of what the Flux controllers take, if both are there and
// these take anything.
func (r *Row) ratio() (float64, bool) {
	if r.Figures[Fluxd] == nil || r.Figures[Flux] == nil || r.Figures[Flux].Number <= 0 {
		return 0, false
	}
	return r.Figures[Fluxd].Number / r.Figures[Flux].Number, true
}

// limit is what the goal allows in the unit of the row, if it can be said.
func (r *Row) limit() (float64, bool) {
	switch {
	case r.Goal.Most != nil:
		return *r.Goal.Most, true
	case r.Goal.Part > 0 && r.Figures[Flux] != nil:
		return r.Figures[Flux].Number / float64(r.Goal.Part), true
	}
	return 0, false
}

// missed says whether fluxd takes more than the goal allows.
func (r *Row) missed() bool {
	limit, ok := r.limit()
	return ok && r.Figures[Fluxd] != nil && r.Figures[Fluxd].Number > limit
}

// ErrLesser marks the error for a section that cannot take the place of the one that is
// there, since it lacks the figures of the Flux controllers.
var ErrLesser = errors.New("there are figures of the Flux controllers, and this run has none")

// Merge puts sections in the place of those with the same names, in the given order,
// and drops sections that are not in it. It returns an error for each section that
// it has left out.
func (r *Results) Merge(order []string, sections ...*Section) error {
	var left []error
	for _, s := range sections {
		i := slices.IndexFunc(r.Sections, func(o *Section) bool { return o.Name == s.Name })
		switch {
		case i < 0:
			r.Sections = append(r.Sections, s)
		case r.Sections[i].has(Flux) && !s.has(Flux):
			left = append(left, fmt.Errorf("%s: %w", s.Name, ErrLesser))
		default:
			r.Sections[i] = s
		}
	}
	r.Sections = slices.DeleteFunc(r.Sections, func(s *Section) bool { return !slices.Contains(order, s.Name) })
	slices.SortStableFunc(r.Sections, func(a, b *Section) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
	return errors.Join(left...)
}

// Load reads what Save has written to the folder docs, nothing if it has not.
func Load(docs string) (*Results, error) {
	text, err := os.ReadFile(filepath.Join(docs, folder, file))
	if errors.Is(err, fs.ErrNotExist) {
		return &Results{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	r := &Results{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	return r, nil
}

const (
	folder = "benchmarks"   // below docs, for the charts and the results
	file   = "results.json" // in it
	page   = "benchmarks.md"
)

// Save writes the page, its charts and the results themselves to the folder docs, and
// removes charts of sections that are gone.
func (r *Results) Save(docs string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	files := map[string][]byte{
		filepath.Join(folder, file): append(text, '\n'),
		page:                        []byte(r.Page()),
	}
	for name, chart := range r.charts() {
		files[filepath.Join(folder, name+".svg")] = []byte(chart)
	}
	if err := os.MkdirAll(filepath.Join(docs, folder), 0o755); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(docs, folder, "*.svg"))
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	for _, path := range old {
		if _, again := files[filepath.Join(folder, filepath.Base(path))]; !again {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("remove a chart: %w", err)
			}
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(docs, name), content, 0o644); err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
	}
	return nil
}
