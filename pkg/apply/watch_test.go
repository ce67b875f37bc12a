package apply

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// watched is a world with one object that was applied and is watched, inside a
// bubble of time.
func watched(t *testing.T, f func(w *world, k key)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if _, err := w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f(w, key{"default", "a"})
		w.Close()
	})
}

// state is that of the only source.
func (w *world) state() state {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for _, src := range w.store.sources {
		return src.state
	}
	return starting
}

func TestWatchGoesOnWhereItEnded(t *testing.T) {
	watched(t, func(w *world, k key) {
		time.Sleep(time.Minute) // of the bubble
		w.api.breakStreams(nil)
		synctest.Wait()
		equal(t, live, w.state())
		equal(t, 2, w.api.watches)
		w.api.edit(configMaps(), k, "somebody", "2", "data", "key")
		synctest.Wait()
		equal(t, 1, w.drain())
	})
}

func TestWatchMissesNothingWhileItIsAway(t *testing.T) {
	watched(t, func(w *world, k key) {
		w.api.refuseWatches(func(metav1.ListOptions) error { return errors.New("connection refused") })
		w.api.breakStreams(nil)
		synctest.Wait()
		equal(t, blind, w.state())
		w.api.edit(configMaps(), k, "somebody", "2", "data", "key")
		synctest.Wait()
		equal(t, 0, w.drain())
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.api.watches > 200 {
			t.Errorf("%d attempts in an hour", w.api.watches)
		}
		w.api.refuseWatches(nil)
		time.Sleep(2 * slowestRetry)
		synctest.Wait()
		equal(t, live, w.state())
		equal(t, 1, w.drain())
	})
}

func TestExpiredVersionListsAgain(t *testing.T) {
	watched(t, func(w *world, k key) {
		w.api.mu.Lock()
		w.api.history = nil // compacted
		w.api.mu.Unlock()
		w.api.refuseWatches(func(o metav1.ListOptions) error {
			if o.ResourceVersion != "" {
				return apierrors.NewResourceExpired("too old")
			}
			return nil
		})
		w.api.breakStreams(nil)
		w.api.remove(configMaps(), k)
		synctest.Wait()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		equal(t, live, w.state())
		equal(t, 1, w.drain()) // the list does not have it
	})
}

func TestExpiredStreamListsAgain(t *testing.T) {
	watched(t, func(w *world, _ key) {
		w.api.breakStreams(&metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired})
		synctest.Wait()
		equal(t, live, w.state())
		equal(t, 0, w.drain())
		equal(t, 2, w.api.watches)
	})
}

func TestServersThatDoNotStreamListsArePaged(t *testing.T) {
	for name, refusal := range map[string]error{
		"refused": apierrors.NewInvalid(configMaps().GroupVersion().WithKind("ListOptions").GroupKind(), "", nil),
		"unknown": apierrors.NewBadRequest("sendInitialEvents"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.api.refuseWatches(func(o metav1.ListOptions) error {
					if o.SendInitialEvents != nil {
						return refusal
					}
					return nil
				})
				_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
				synctest.Wait()
				equal(t, live, w.state())
				equal(t, 1, w.api.lists)
				equal(t, 0, w.drain())
				w.Close()
			})
		})
	}
}

func TestKindThatIsGone(t *testing.T) {
	watched(t, func(w *world, _ key) {
		w.api.refuseWatches(func(metav1.ListOptions) error {
			return apierrors.NewNotFound(configMaps().GroupResource(), "")
		})
		w.api.mu.Lock()
		w.api.objects = nil
		w.api.mu.Unlock()
		w.api.breakStreams(nil)
		synctest.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		equal(t, gone, w.state())
		equal(t, 2, w.api.watches)
		equal(t, 1, w.drain())
	})
}

func TestForbiddenKindIsTriedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.api.forbidden["configmaps"] = true
		_, _ = w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}})
		synctest.Wait()
		equal(t, blind, w.state())
		w.api.mu.Lock()
		delete(w.api.forbidden, "configmaps")
		w.api.mu.Unlock()
		time.Sleep(forbiddenRetry + time.Second)
		synctest.Wait()
		equal(t, live, w.state())
		w.Close()
	})
}
