package engine

import (
	"testing"

	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestNewer(t *testing.T) {
	at := func(uid, version string) *sourcev1.GitRepository {
		o := repository("it")
		o.UID, o.ResourceVersion = types.UID(uid), version
		return o
	}
	tests := map[string]struct {
		cached, latest *sourcev1.GitRepository
		wantLatest     bool
	}{
		"the cache has caught up":      {at("1", "12"), at("1", "12"), false},
		"the cache is ahead":           {at("1", "13"), at("1", "12"), false},
		"the cache is behind":          {at("1", "9"), at("1", "12"), true},
		"another object of that name":  {at("2", "9"), at("1", "12"), false},
		"a version that is no number":  {at("1", "x"), at("1", "12"), false},
		"one longer than sixty digits": {at("1", "1"), at("1", "100000000000000000000000000000000000000000000000000000000000000"), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := test.cached
			if test.wantLatest {
				want = test.latest
			}
			if got := newer(test.cached, test.latest); got != want {
				t.Errorf("got version %s of %s", got.GetResourceVersion(), got.GetUID())
			}
		})
	}
	if c := at("1", "1"); newer(c, nil) != c {
		t.Error("without a version of our own, the cached one counts")
	}
}
