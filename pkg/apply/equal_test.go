package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// equal fails the test if got is not want.
func equal(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// lines returns changes as people read them.
func lines(c Changes) []string {
	var s []string
	for _, change := range c {
		s = append(s, change.String())
	}
	return s
}
