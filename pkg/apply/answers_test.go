package apply

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// race is a write of ours, a list that was asked for before, and somebody else, in
// some order.
type race struct {
	paged  bool // the API server does not stream lists
	again  bool // the list is not the first, and the object not new
	opaque bool // versions are no numbers
}

func (r race) String() string {
	return fmt.Sprintf("paged %t, again %t, opaque %t", r.paged, r.again, r.opaque)
}

// Whenever the API server lists, and whenever its answer to a write arrives, in the
// end the records are the objects there are, and the owner knows of its drift.
func TestAnswersAndListsInAnyOrder(t *testing.T) {
	orders := map[string]bool{ // and whether there is a drift
		"list write answer":        false,
		"write list answer":        false,
		"write answer list":        false,
		"write answer delete list": true,
		"write answer list delete": true,
		"write delete answer list": true,
		"write delete list answer": true,
		"write list delete answer": true,
		"list write delete answer": true,
		"list write answer delete": true,
		"write answer edit list":   true,
		"write edit answer list":   true,
		"write edit list answer":   true,
		"write list edit answer":   true,
		"list write edit answer":   true,
	}
	for order, drift := range orders {
		for i := range 8 {
			r := race{paged: i&1 != 0, again: i&2 != 0, opaque: i&4 != 0}
			t.Run(order+", "+r.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					wakes := r.run(t, strings.Fields(order))
					needless := r.opaque && wakes == 1 // is the price of not missing any
					if drift && wakes != 1 || !drift && wakes != 0 && !needless {
						t.Errorf("the owner was woken %d times", wakes)
					}
				})
			})
		}
	}
}

// run lets the steps happen one after the other, and returns how often the owner was
// woken.
func (r race) run(t *testing.T, steps []string) int {
	w := newWorld(t)
	w.api.opaque = r.opaque
	if r.paged {
		w.api.refuseWatches(func(o metav1.ListOptions) error {
			if o.SendInitialEvents != nil {
				return apierrors.NewBadRequest("sendInitialEvents")
			}
			return nil
		})
	}
	if r.again {
		if _, err := w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "1")}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if wakes := w.drain(); wakes > 0 && !r.opaque {
			t.Errorf("the owner was woken %d times by its own first write", wakes)
		}
	}
	list, answer, k := make(chan struct{}), make(chan struct{}), key{"default", "a"}
	w.api.mu.Lock()
	w.api.arriving = func() { <-list }
	w.api.answering = func() { <-answer }
	w.api.mu.Unlock()
	if r.again {
		w.api.breakStreams(&metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired})
		synctest.Wait()
	}
	for _, step := range steps {
		switch step {
		case "list":
			close(list)
		case "write":
			go func() {
				if _, err := w.pass(Request{Objects: []*unstructured.Unstructured{configMap("a", "2")}}); err != nil {
					t.Error(err)
				}
			}()
		case "answer":
			close(answer)
		case "delete":
			w.api.remove(configMaps(), k)
		case "edit":
			w.api.edit(configMaps(), k, "somebody", "3", "data", "key")
		}
		synctest.Wait()
	}
	equal(t, live, w.state())
	w.settled()
	wakes := w.drain()
	w.Close()
	return wakes
}
