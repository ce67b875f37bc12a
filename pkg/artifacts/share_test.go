package artifacts_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/fluxd/fluxd/pkg/artifacts"
)

func sharedTree(t *testing.T, s *artifacts.Store, content string) *artifacts.Tree {
	t.Helper()
	b := s.NewBuilder(artifacts.Limits{})
	if err := b.AddFile("a.yaml", 0o644, []byte(content)); err != nil {
		t.Fatal(err)
	}
	tree, _, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func newShareStore(t *testing.T) *artifacts.Store {
	t.Helper()
	s, err := artifacts.New(artifacts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ownerNamed(i int) artifacts.Owner {
	return artifacts.Owner{Kind: "OCIRepository", Namespace: "ns", Name: fmt.Sprint(i)}
}

// A hundred owners at once cost one build and one copy.
func TestShareMakesOnce(t *testing.T) {
	s := newShareStore(t)
	var builds atomic.Int32
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			tree, err := s.Share(t.Context(), "key", func(context.Context) (*artifacts.Tree, error) {
				builds.Add(1)
				return sharedTree(t, s, "content"), nil
			})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Put(ownerNamed(i), "rev", tree, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := builds.Load(); got != 1 {
		t.Errorf("%d builds, want 1", got)
	}
	alone := newShareStore(t)
	if _, err := alone.Put(ownerNamed(0), "rev", sharedTree(t, alone, "content"), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := s.Stats().Used, alone.Stats().Used; got != want {
		t.Errorf("100 owners use %d bytes, one uses %d", got, want)
	}
	for i := range 100 {
		s.Forget(ownerNamed(i))
	}
	if got := s.Stats(); got.Used != 0 || got.Blobs != 0 {
		t.Errorf("after all are gone, %d bytes and %d blobs are in use", got.Used, got.Blobs)
	}
}

// The same content under two keys is two trees whose blobs are one.
func TestShareKeepsBlobsOnce(t *testing.T) {
	s := newShareStore(t)
	trees := make([]*artifacts.Tree, 2)
	for i := range trees {
		var err error
		if trees[i], err = s.Share(t.Context(), fmt.Sprint(i), func(context.Context) (*artifacts.Tree, error) {
			return sharedTree(t, s, "content"), nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i, tree := range trees {
		if _, err := s.Put(ownerNamed(i), "rev", tree, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Stats().Blobs; got != 1 {
		t.Errorf("%d blobs, want 1", got)
	}
}

func TestShareErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		first error
		want  int32 // builds
		err   error
	}{
		"a failure is for all":                {broken, 1, broken},
		"who was told to stop is replaced":    {context.Canceled, 2, nil},
		"who ran out of time is replaced":     {fmt.Errorf("fetch: %w", context.DeadlineExceeded), 2, nil},
		"a success is for all, without error": {nil, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShareStore(t)
				var builds atomic.Int32
				proceed := make(chan struct{})
				build := func(context.Context) (*artifacts.Tree, error) {
					if builds.Add(1) == 1 {
						<-proceed
						if tt.first != nil {
							return nil, tt.first
						}
					}
					return sharedTree(t, s, "content"), nil
				}
				go func() { _, _ = s.Share(t.Context(), "key", build) }()
				synctest.Wait()
				second := make(chan error)
				go func() {
					_, err := s.Share(t.Context(), "key", build)
					second <- err
				}()
				synctest.Wait()
				close(proceed)
				if err := <-second; !errors.Is(err, tt.err) {
					t.Errorf("the second got %v, want %v", err, tt.err)
				}
				if got := builds.Load(); got != tt.want {
					t.Errorf("%d builds, want %d", got, tt.want)
				}
			})
		})
	}
}

func TestShareEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShareStore(t)
		proceed := make(chan struct{})
		go func() {
			_, _ = s.Share(t.Context(), "key", func(context.Context) (*artifacts.Tree, error) {
				<-proceed
				return nil, errors.New("late")
			})
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Share(ctx, "key", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that of the context", err)
		}
		close(proceed)
	})
}

// Who waits for one that panics is not left waiting.
func TestShareSurvivesAPanic(t *testing.T) {
	s := newShareStore(t)
	func() {
		defer func() { _ = recover() }()
		_, _ = s.Share(t.Context(), "key", func(context.Context) (*artifacts.Tree, error) { panic("boom") })
	}()
	if _, err := s.Share(t.Context(), "key", func(context.Context) (*artifacts.Tree, error) {
		return sharedTree(t, s, "content"), nil
	}); err != nil {
		t.Error(err)
	}
}
