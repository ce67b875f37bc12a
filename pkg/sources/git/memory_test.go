package git_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/sources/git"
)

func TestFetchWithinHeadroom(t *testing.T) {
	w := newWorld(t)
	w.commit(t, map[string]string{"a.yaml": strings.Repeat("a: b\n", 10_000), "b.yaml": strings.Repeat("b: c\n", 10_000)})
	fetch := func(room *artifacts.Headroom) error {
		remote := &git.Remote{URL: w.server.RepoURL(w.repo), Memory: room.Share()}
		defer remote.Memory.Leave()
		s, err := remote.Connect(t.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		head, err := s.Resolve(git.Ref{Branch: "main"})
		if err != nil {
			return err
		}
		c, err := s.Fetch(t.Context(), head)
		if err != nil {
			return err
		}
		_, err = c.Snapshot(t.Context(), w.store, git.Checkout{})
		return err
	}
	for name, test := range map[string]struct {
		room *artifacts.Headroom
		want error
	}{
		"no limit":        {nil, nil},
		"room for all":    {artifacts.NewHeadroom(200_000), nil},
		"room for a part": {artifacts.NewHeadroom(60_000), git.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			err := fetch(test.room)
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), "60000 bytes") {
				t.Errorf("the message lacks the bound: %v", err)
			}
		})
	}

	// Each of these fits, all together do not: they wait for each other.
	room := artifacts.NewHeadroom(150_000)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if err := fetch(room); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
