package api

import "testing"

func TestOriginRevision(t *testing.T) {
	cases := map[string]struct {
		artifact *Artifact
		want     string
	}{
		"no artifact":    {nil, ""},
		"no metadata":    {&Artifact{}, ""},
		"told by origin": {&Artifact{Metadata: map[string]string{"org.opencontainers.image.revision": "main@sha1:1"}}, "main@sha1:1"},
		"something else": {&Artifact{Metadata: map[string]string{"org.opencontainers.image.source": "x"}}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.artifact.OriginRevision(); got != tc.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
