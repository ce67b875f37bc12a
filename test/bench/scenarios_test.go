package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChoose(t *testing.T) {
	all := []scenario{
		one("idle", "", "", nil),
		{name: "pairs", steps: []step{{name: "install"}, {name: "noop"}, {name: "upgrade"}, {name: "restart"}}},
		one("crowd", "", "", nil).onDemand(),
	}
	for what, c := range map[string]struct {
		names []string
		want  []string // steps, in parentheses if they are not wanted
	}{
		"what compares, without names":    {nil, []string{"idle", "install", "noop", "upgrade", "restart"}},
		"everything":                      {[]string{"all"}, []string{"idle", "install", "noop", "upgrade", "restart", "crowd"}},
		"by name":                         {[]string{"crowd"}, []string{"crowd"}},
		"a scenario stands for its steps": {[]string{"pairs"}, []string{"install", "noop", "upgrade", "restart"}},
		"the first step alone":            {[]string{"install"}, []string{"install"}},
		"a later step needs the first":    {[]string{"upgrade", "idle"}, []string{"idle", "(install)", "upgrade"}},
		"steps are in their order":        {[]string{"restart", "noop"}, []string{"(install)", "noop", "restart"}},
	} {
		t.Run(what, func(t *testing.T) {
			chosen, err := choose(all, c.names)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range chosen {
				for _, step := range s.steps {
					if step.unwanted {
						step.name = "(" + step.name + ")"
					}
					got = append(got, step.name)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if slices.ContainsFunc(all[1].steps, func(s step) bool { return s.unwanted }) {
				t.Error("the list of scenarios was changed")
			}
		})
	}
	if _, err := choose(all, []string{"idle", "sleep"}); err == nil || !strings.Contains(err.Error(), `"sleep"`) {
		t.Errorf("a scenario that is not there: %v", err)
	}
}

// What names of sections become must do: files, and headings that links lead to.
func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios {
		for _, step := range s.steps {
			if !regexp.MustCompile(`^[a-z-]+$`).MatchString(step.name) || seen[step.name] || step.name == "all" || step.name == "overview" {
				t.Errorf("%q is no name of a section, or is that of two", step.name)
			}
			if seen[step.name] = true; step.run == nil || !strings.HasSuffix(step.about, ".") {
				t.Errorf("%s: what does it do?", step.name)
			}
			if !regexp.MustCompile(`^[A-Z][A-Za-z -]+$`).MatchString(step.title) {
				t.Errorf("%s: %q is no heading that can be linked to without thought", step.name, step.title)
			}
		}
	}
}
