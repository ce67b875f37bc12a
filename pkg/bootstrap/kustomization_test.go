package bootstrap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestComplete(t *testing.T) {
	const head = "# Ours.\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
	const both = head + "resources:\n- gotk-components.yaml\n- gotk-sync.yaml\n"
	tests := map[string]struct{ in, want string }{
		"as flux writes it":              {both, both + "components:\n- fluxd\n"},
		"without its last line end":      {strings.TrimSuffix(both, "\n"), both + "components:\n- fluxd\n"},
		"complete":                       {both + "components: [./fluxd/]\n", both + "components: [./fluxd/]\n"},
		"complete, in any order":         {head + "components: [a, fluxd]\nresources: [x, gotk-sync.yaml, gotk-components.yaml]\n", head + "components: [a, fluxd]\nresources: [x, gotk-sync.yaml, gotk-components.yaml]\n"},
		"with a component":               {both + "components:\n- other # mine\n", head + "resources:\n  - gotk-components.yaml\n  - gotk-sync.yaml\ncomponents:\n  - other # mine\n  - fluxd\n"},
		"with fluxd among the resources": {head + "resources: [gotk-components.yaml, gotk-sync.yaml, fluxd]\n", head + "resources: [gotk-components.yaml, gotk-sync.yaml]\ncomponents:\n  - fluxd\n"},
		"without the sync":               {head + "resources:\n- gotk-components.yaml\n", head + "resources:\n  - gotk-components.yaml\n  - gotk-sync.yaml\ncomponents:\n  - fluxd\n"},
		"with empty lists":               {head + "resources: []\ncomponents:\n", head + "resources:\n  - gotk-components.yaml\n  - gotk-sync.yaml\ncomponents:\n  - fluxd\n"},
		"nothing but a comment":          {"# Mine.\n", "# Mine.\n" + firstKustomization},
		"empty":                          {"", firstKustomization},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := complete([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
			again, err := complete(got)
			if err != nil || string(again) != string(got) {
				t.Errorf("the second time: %v\n%s", err, again)
			}
		})
	}
	for _, bad := range []string{"a: b: c", "- a\n", "text"} {
		if _, err := complete([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
