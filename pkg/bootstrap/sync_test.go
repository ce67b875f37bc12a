package bootstrap

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/install"
)

// A cluster that reads some folders has to read its own.
func TestSparseCheckout(t *testing.T) {
	for name, tt := range map[string]struct {
		path    string
		folders []string
		ok      bool
	}{
		"everything":   {"clusters/edge", nil, true},
		"its own":      {"./clusters/edge", []string{"apps", "clusters/edge/"}, true},
		"what it's in": {"clusters/edge", []string{"clusters"}, true},
		"the root":     {"clusters/edge", []string{"."}, true},
		"others":       {"clusters/edge", []string{"apps", "clusters/ed"}, false},
		"below it":     {"clusters/edge", []string{"clusters/edge/apps"}, false},
		"all, of some": {"", []string{"apps"}, false},
	} {
		o := Options{
			Sync:      Sync{Branch: "main", Interval: "1m", Path: tt.path, Folders: tt.folders},
			Manifests: func([]string) (install.Options, error) { return install.DefaultOptions("v1"), nil },
		}
		if err := o.check(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	objects := Sync{Folders: []string{"apps", "clusters/edge"}}.objects()
	if diff := cmp.Diff([]any{"apps", "clusters/edge"}, objects[0]["spec"].(map[string]any)["sparseCheckout"]); diff != "" {
		t.Error(diff)
	}
}
