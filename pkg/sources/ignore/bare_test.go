package ignore_test

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/ignore"
)

func TestWithoutDefaults(t *testing.T) {
	for name, tt := range map[string]struct {
		rules string
		want  map[string]bool
	}{
		"no rules":   {"", map[string]bool{"logo.png": false, ".git/config": false, "a.yaml": false}},
		"some rules": {"*.yaml\n!b.yaml", map[string]bool{"logo.png": false, ".git/config": false, "a.yaml": true, "x/b.yaml": false}},
	} {
		t.Run(name, func(t *testing.T) {
			var rules ignore.Rules
			rules.Add(".", []byte(tt.rules))
			m := rules.Bare()
			for file, want := range tt.want {
				if got := m.Excludes(file); got != want {
					t.Errorf("%s is excluded: %t, want %t", file, got, want)
				}
			}
		})
	}
}
