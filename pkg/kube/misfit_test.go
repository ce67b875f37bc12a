package kube

import (
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/scheme"
)

func TestMisfit(t *testing.T) {
	for name, test := range map[string]struct{ object, want string }{
		"a duration that overflows": {`{"spec":{"path":"./a","interval":"9999999999999h"}}`, "spec.interval"},
		"a wrong type":              {`{"spec":{"sourceRef":{"name":[]},"interval":"1m"}}`, "spec.sourceRef.name"},
		"within a list":             {`{"spec":{"dependsOn":[{"name":1}]}}`, "spec.dependsOn"},
		"the status":                {`{"status":{"history":[{"lastReconciledDuration":"x"}]}}`, "status.history"},
		"nothing":                   {`{"spec":{"interval":"1m"}}`, ""},
		"no object":                 {`[]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := codec{scheme.New()}
			if got := c.misfit(api.KustomizationGVK, []byte(test.object)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
