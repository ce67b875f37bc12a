package v2

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func hooks(phases ...string) *map[string]TestHookStatus {
	m := map[string]TestHookStatus{}
	for i, p := range phases {
		m[string(rune('a'+i))] = TestHookStatus{Phase: p}
	}
	return &m
}

func TestSnapshots(t *testing.T) {
	rev := func(version int, status string, phases ...string) *Snapshot {
		s := &Snapshot{Version: version, Status: status}
		if phases != nil {
			s.TestHooks = hooks(phases...)
		}
		return s
	}
	cases := map[string]struct {
		list        Snapshots
		ignoreTests bool
		latest      int // versions; 0 for none
		previous    int
		truncated   []int
	}{
		"none":     {nil, false, 0, 0, nil},
		"only one": {Snapshots{rev(1, "deployed")}, false, 1, 0, []int{1}},
		"the older were good": {
			Snapshots{rev(1, "superseded"), rev(3, "deployed"), rev(2, "superseded")}, false, 3, 2, []int{3, 2},
		},
		"a failed one is passed over": {
			Snapshots{rev(3, "failed"), rev(2, "failed"), rev(1, "superseded")}, false, 3, 1, []int{3, 2, 1},
		},
		"one with a failed test is passed over": {
			Snapshots{rev(3, "deployed"), rev(2, "superseded", "Failed"), rev(1, "superseded", "Succeeded")}, false, 3, 1, []int{3, 2, 1},
		},
		"unless tests do not matter": {
			Snapshots{rev(3, "deployed"), rev(2, "superseded", "Failed"), rev(1, "superseded")}, true, 3, 2, []int{3, 2},
		},
		"without a good one the newest five stay": {
			Snapshots{rev(1, "failed"), rev(2, "failed"), rev(3, "failed"), rev(4, "failed"), rev(5, "failed"), rev(6, "failed")}, false, 6, 0, []int{6, 5, 4, 3, 2},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := versions(tc.list)
			if got := version(tc.list.Latest()); got != tc.latest {
				t.Errorf("latest %d, want %d", got, tc.latest)
			}
			if got := version(tc.list.Previous(tc.ignoreTests)); got != tc.previous {
				t.Errorf("previous %d, want %d", got, tc.previous)
			}
			if diff := cmp.Diff(tc.truncated, versions(tc.list.Truncated(tc.ignoreTests))); diff != "" {
				t.Errorf("truncated: -want +got\n%s", diff)
			}
			if diff := cmp.Diff(before, versions(tc.list)); diff != "" {
				t.Errorf("the list was changed: -before +after\n%s", diff)
			}
		})
	}
}

func TestHasBeenTested(t *testing.T) {
	cases := map[string]struct {
		snapshot *Snapshot
		want     bool
	}{
		"no snapshot":                         {nil, false},
		"not run":                             {&Snapshot{}, false},
		"there are none":                      {&Snapshot{TestHooks: hooks()}, true},
		"all succeeded":                       {&Snapshot{TestHooks: hooks("Succeeded", "Succeeded")}, true},
		"one still to be run":                 {&Snapshot{TestHooks: hooks("Succeeded", "")}, false},
		"one failed, so the rest was not run": {&Snapshot{TestHooks: hooks("", "Failed")}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.snapshot.HasBeenTested(); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestSnapshotNames(t *testing.T) {
	t.Parallel()
	s := &Snapshot{Namespace: "web", Name: "app", Version: 3, ChartName: "podinfo", ChartVersion: "6.0.0"}
	if s.String() != "web/app.v3" || s.Chart() != "podinfo@6.0.0" {
		t.Errorf("got %s, %s", s, s.Chart())
	}
	if !s.Targets("app", "web", 3) || s.Targets("app", "web", 2) {
		t.Error("targets the wrong revision")
	}
	s = nil
	if s.String() != "" || s.Chart() != "" || s.Targets("app", "web", 3) || s.Tests() != nil {
		t.Error("no snapshot has a name")
	}
}

func version(s *Snapshot) int {
	if s == nil {
		return 0
	}
	return s.Version
}

func versions(list Snapshots) []int {
	var out []int
	for _, s := range list {
		out = append(out, s.Version)
	}
	return out
}
