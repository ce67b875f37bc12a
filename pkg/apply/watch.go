package apply

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// Times and sizes of a watch.
const (
	pageSize       = 100              // objects decoded at once by a plain list
	stallAfter     = 10 * time.Second // without an initial event, the server does not stream lists
	firstRetry     = time.Second
	slowestRetry   = 30 * time.Second
	forbiddenRetry = 10 * time.Minute
	longestWatch   = 30 * time.Minute // the server ends it; twice as long at most
)

// errStreamless says that the API server does not stream lists.
var errStreamless = errors.New("no streaming list")

// watcher follows one source. It is a reflector that keeps no object: each is
// reduced to its record as it is decoded, and a streaming list is decoded one
// object at a time. client-go's own holds a whole list before it hands it on, and
// can neither say that a kind is forbidden nor end when a kind is gone.
type watcher struct {
	store *store
	src   *source
	// version is where the next watch goes on; empty asks for a list first.
	version   string
	listFirst bool // the API server does not stream lists
}

// run follows the source until ctx ends or the kind is gone.
func (w *watcher) run(ctx context.Context) {
	failures, refusals := 0, 0
	for {
		err := w.once(ctx)
		if ctx.Err() != nil {
			return
		}
		delay := time.Duration(0)
		switch {
		case err == nil:
			failures, refusals = 0, 0
		case errors.Is(err, errStreamless):
			w.listFirst = true
		case apierrors.IsNotFound(err):
			w.vanish()
			return
		case apierrors.IsForbidden(err):
			// An API server that has just started refuses what it has yet to read the
			// permission for.
			refusals++
			w.store.turn(w.src, blind)
			delay = min(firstRetry<<min(refusals-1, 10), forbiddenRetry)
		case apierrors.IsMethodNotSupported(err):
			w.store.turn(w.src, blind)
			delay = forbiddenRetry
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			w.version = ""
		default:
			failures++
			w.store.turn(w.src, blind)
			delay = min(firstRetry<<min(failures-1, 10), slowestRetry)
			delay += rand.N(delay/2 + 1)
		}
		if !pause(ctx, delay) {
			return
		}
	}
}

// pause waits for d; it says false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// once lists if it has to, and watches until the watch ends. A watch that ended in
// good order is no error.
func (w *watcher) once(ctx context.Context) error {
	if w.version == "" && w.listFirst {
		if err := w.list(ctx); err != nil {
			return err
		}
	}
	o := w.options()
	o.AllowWatchBookmarks = true
	o.TimeoutSeconds = new(int64((longestWatch + rand.N(longestWatch)).Seconds()))
	o.ResourceVersion = w.version
	initial := w.version == ""
	if initial {
		o.SendInitialEvents = new(true)
		o.ResourceVersionMatch = metav1.ResourceVersionMatchNotOlderThan
		w.store.relist(w.src)
	}
	stream, err := w.resource().Watch(ctx, o)
	if initial && (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)) {
		return errStreamless
	}
	if err != nil {
		return err
	}
	defer stream.Stop()
	if initial {
		return w.initial(ctx, stream)
	}
	w.store.turn(w.src, live)
	return w.follow(ctx, stream)
}

// initial takes in a streaming list, up to the bookmark that ends it, and then follows
// the same stream.
func (w *watcher) initial(ctx context.Context, stream watch.Interface) error {
	stall := time.NewTimer(stallAfter)
	defer stall.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-stall.C:
			return errStreamless
		case e, ok := <-stream.ResultChan():
			if !ok {
				return errStreamless
			}
			stall.Reset(stallAfter)
			obj, err := w.take(e)
			if err != nil {
				return err
			}
			if e.Type == watch.Bookmark && obj.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
				w.version = obj.GetResourceVersion()
				w.store.sweep(w.src, parseVersion(w.version))
				w.store.turn(w.src, live)
				return w.follow(ctx, stream)
			}
		}
	}
}

// follow takes in events until the stream ends.
func (w *watcher) follow(ctx context.Context, stream watch.Interface) error {
	began, events := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-stream.ResultChan():
			if !ok {
				if events == 0 && time.Since(began) < firstRetry {
					return errors.New("the watch ended at once")
				}
				return nil
			}
			obj, err := w.take(e)
			if err != nil {
				return err
			}
			events++
			w.version = obj.GetResourceVersion()
		}
	}
}

// take puts one event into the store and returns its object.
func (w *watcher) take(e watch.Event) (*unstructured.Unstructured, error) {
	if e.Type == watch.Error {
		return nil, apierrors.FromObject(e.Object)
	}
	obj, ok := e.Object.(*unstructured.Unstructured)
	if !ok {
		return nil, errors.New("the watch sent something that is no object")
	}
	switch e.Type {
	case watch.Added, watch.Modified:
		w.store.event(w.src, obj, false)
	case watch.Deleted:
		w.store.event(w.src, obj, true)
	}
	return obj, nil
}

// list reads the objects page by page, for servers that do not stream lists.
func (w *watcher) list(ctx context.Context) error {
	w.store.relist(w.src)
	o := w.options()
	o.Limit = pageSize
	for {
		page, err := w.resource().List(ctx, o)
		if err != nil {
			return err
		}
		for i := range page.Items {
			w.store.event(w.src, &page.Items[i], false)
			page.Items[i].Object = nil
		}
		w.version, o.Continue = page.GetResourceVersion(), page.GetContinue()
		if o.Continue == "" {
			break
		}
	}
	w.store.sweep(w.src, parseVersion(w.version))
	w.store.turn(w.src, live)
	return nil
}

func (w *watcher) options() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: w.src.labels, FieldSelector: w.src.fields}
}

func (w *watcher) resource() dynamic.ResourceInterface {
	return w.src.client.Resource(w.src.gvr).Namespace(w.src.namespace)
}

// vanish records that the API server does not serve the kind, and so has none of
// its objects.
func (w *watcher) vanish() {
	w.store.turn(w.src, gone)
	w.store.relist(w.src)
	w.store.sweep(w.src, 0)
}
