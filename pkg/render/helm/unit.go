package helm

import (
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// unit is a chart, or a subchart, as one render sees it. Its files are those of the
// loaded chart; name, dependencies and default values are its own.
type unit struct {
	files  *Stored
	meta   *Metadata
	values map[string]any // the default ones, never changed in place
	parent *unit
	subs   []*unit
}

// newUnit returns the view of a chart in which nothing is decided yet.
func newUnit(c *Stored, parent *unit) *unit {
	u := &unit{files: c, meta: copyMetadata(c.Metadata), values: c.Values, parent: parent}
	for _, sub := range c.Dependencies() {
		u.subs = append(u.subs, newUnit(sub, u))
	}
	return u
}

// copyMetadata copies what is changed by a render.
func copyMetadata(m *Metadata) *Metadata {
	out := *m
	if m.Dependencies == nil {
		return &out
	}
	out.Dependencies = make([]*dependency, len(m.Dependencies))
	for i, d := range m.Dependencies {
		one := *d
		out.Dependencies[i] = &one
	}
	return &out
}

func (u *unit) name() string { return u.meta.Name }

// path is how templates and messages name the unit, as in web/charts/db.
func (u *unit) path() string {
	if u.parent == nil {
		return u.name()
	}
	return u.parent.path() + "/charts/" + u.name()
}

// library says whether only named templates of the unit are used.
func (u *unit) library() bool { return strings.EqualFold(u.meta.Type, "library") }

// stored returns the unit as a release holds it: without its subcharts, which releases
// never have.
func (u *unit) stored() *Stored {
	return &Stored{
		Metadata: u.meta, Lock: u.files.Lock, Templates: u.files.Templates,
		Values: u.values, Schema: u.files.Schema, Files: u.files.Files,
	}
}

// fits says whether a subchart of a version is what a constraint asks for.
func fits(constraint, version string) bool {
	v, err := semver.NewVersion(version)
	if err != nil {
		return false
	}
	c, err := semver.NewConstraint(constraint)
	return err == nil && c.Check(v)
}

// answers says whether d is about the subchart u.
func (u *unit) answers(d *dependency) bool {
	return u.name() == d.Name && fits(d.Version, u.meta.Version)
}

// again returns the subchart that a dependency asks for, as a unit of its own under its
// alias: one chart may be there several times. It is nil if it is not there.
func again(subs []*unit, d *dependency, parent *unit) *unit {
	i := slices.IndexFunc(subs, func(u *unit) bool { return u.answers(d) })
	if i < 0 {
		return nil
	}
	u := newUnit(subs[i].files, parent)
	if d.Alias != "" {
		u.meta.Name = d.Alias
	}
	return u
}
