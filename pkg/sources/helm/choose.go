package helm

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Want is a chart that somebody needs: the best version of a name.
type Want struct {
	Name string
	// Version is an exact version or a range; empty and * mean the latest that
	// is not a pre-release.
	Version string
}

// answer is what an index has for a want.
type answer struct {
	release Release
	err     error
}

// chooser finds the answer to one want while entries pass by. Versions that
// cannot win are told apart by their version alone, before anything else of
// them is parsed; since an index is sorted, that is most of them.
type chooser struct {
	want       Want
	constraint *semver.Constraints
	bad        error // the version of want is none
	known      bool  // the index has the name
	exact      *Release
	best       *Release
	version    *semver.Version // of best
	broken     error           // an entry that might have won cannot be read
}

func newChooser(w Want) *chooser {
	c := &chooser{want: w}
	constraint := w.Version
	if constraint == "" {
		constraint = "*"
	}
	c.constraint, c.bad = semver.NewConstraint(constraint)
	return c
}

// reset forgets what was offered.
func (c *chooser) reset() {
	c.known, c.exact, c.best, c.version, c.broken = true, nil, nil, nil, nil
}

// worth says whether an entry of the given version may be the answer. A range
// is not looked at once there is an exact match.
func (c *chooser) worth(version string) bool {
	if c.isExact(version) {
		return true
	}
	v := c.matching(version)
	return v != nil && (c.version == nil || !v.LessThan(c.version))
}

func (c *chooser) isExact(version string) bool {
	return c.want.Version != "" && version == c.want.Version
}

// matching returns the version if it is within the range, else nil.
func (c *chooser) matching(version string) *semver.Version {
	if c.exact != nil || c.bad != nil {
		return nil
	}
	v, err := parseVersion(version)
	if err != nil || !c.constraint.Check(v) {
		return nil
	}
	return v
}

// offer considers a valid entry.
func (c *chooser) offer(r Release) {
	if c.isExact(r.Version) {
		if c.exact == nil || r.Created.After(c.exact.Created) {
			c.exact = &r
		}
		return
	}
	v := c.matching(r.Version)
	if v == nil {
		return
	}
	if c.version == nil || v.GreaterThan(c.version) || v.Equal(c.version) && r.Created.After(c.best.Created) {
		c.best, c.version = &r, v
	}
}

// answer says what was found.
func (c *chooser) answer() answer {
	switch {
	case c.broken != nil:
		return answer{err: c.broken}
	case !c.known:
		return answer{err: fmt.Errorf("%w: the repository has no chart %q", ErrNoChart, c.want.Name)}
	case c.exact != nil:
		return answer{release: *c.exact}
	case c.bad != nil:
		return answer{err: fmt.Errorf("%w: %q is neither a version of the chart %q nor a range: %w", ErrNoChart, c.want.Version, c.want.Name, c.bad)}
	case c.best != nil:
		return answer{release: *c.best}
	default:
		return answer{err: fmt.Errorf("%w: no %q chart with a version matching %q", ErrNoChart, c.want.Name, c.want.Version)}
	}
}

// parseVersion parses a version of at least three parts that may begin with v.
func parseVersion(text string) (*semver.Version, error) {
	if len(strings.SplitN(text, ".", 3)) != 3 {
		return nil, semver.ErrInvalidSemVer
	}
	return semver.NewVersion(text)
}

// IsVersion says whether a text is a complete version, not a range.
func IsVersion(text string) bool {
	_, err := parseVersion(text)
	return err == nil
}

// desk hands the entries of an index to the choosers of their name.
type desk struct {
	format   format
	choosers map[string][]*chooser
}

func newDesk(wants []Want) *desk {
	d := &desk{choosers: make(map[string][]*chooser)}
	seen := make(map[Want]bool, len(wants))
	for _, w := range wants {
		if !seen[w] {
			seen[w] = true
			d.choosers[w.Name] = append(d.choosers[w.Name], newChooser(w))
		}
	}
	return d
}

// wanted says whether somebody wants the chart.
func (d *desk) wanted(name []byte) bool { return d.choosers[string(name)] != nil }

// open begins a chart. A chart that begins again replaces the first.
func (d *desk) open(name string) {
	for _, c := range d.choosers[name] {
		c.reset()
	}
}

// known says whether the chart was begun already.
func (d *desk) known(name string) bool {
	list := d.choosers[name]
	return len(list) > 0 && list[0].known
}

// item takes one entry of a chart. Version is its version as far as that could
// be seen at a glance, else nil.
func (d *desk) item(name string, version []byte, item []byte) {
	interested := d.choosers[name]
	if version != nil {
		interested = nil
		for _, c := range d.choosers[name] {
			if c.worth(string(version)) {
				interested = append(interested, c)
			}
		}
	}
	if len(interested) == 0 {
		return
	}
	e, err := d.format.entry(item)
	if err != nil {
		d.spoil(interested, fmt.Errorf("%w: an entry of the chart %q is not as it should be: %s", ErrEntry, name, clip(err.Error())))
		return
	}
	r, ok := e.valid()
	if !ok {
		return
	}
	for _, c := range interested {
		c.offer(r)
	}
}

func (d *desk) spoil(choosers []*chooser, err error) {
	for _, c := range choosers {
		if c.broken == nil {
			c.broken = err
		}
	}
}

// answers returns what was found for each want.
func (d *desk) answers() map[Want]answer {
	out := make(map[Want]answer)
	for _, list := range d.choosers {
		for _, c := range list {
			out[c.want] = c.answer()
		}
	}
	return out
}
