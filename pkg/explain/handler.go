package explain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/door"
	"github.com/fluxd/fluxd/pkg/kube"
	"github.com/fluxd/fluxd/pkg/reconcilers"
)

// URLPath is where [Handler] serves: URLPath<kind>/<namespace>/<name>.
const URLPath = "/api/v1/explain/"

const (
	// atOnce is how many explanations are made at a time.
	atOnce = 4
	// longest is how long one may take.
	longest = 30 * time.Second
)

// Handler explains objects to callers who came through a [door.Door]:
//
//	GET <URLPath><kind>/<namespace>/<name>
//
// A kind is one of fluxd's, as [Subject] reads them. The answer is text. Without the
// right to get the object it is 403, whether or not the object exists, and 503 while
// this process does not reconcile, because another holds the Lease.
type Handler struct {
	// Config is for everybody but for May, which is the caller's.
	Config Config
	// Working says whether this process reconciles.
	Working func() bool

	turns chan struct{}
}

// NewHandler returns a handler.
func NewHandler(c Config, working func() bool) *Handler {
	return &Handler{Config: c, Working: working, turns: make(chan struct{}, atOnce)}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	text, status, err := h.answer(req)
	if err != nil {
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", "GET")
		}
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // the caller has gone
}

// answer returns an explanation, or an error with its HTTP status.
func (h *Handler) answer(req *http.Request) (text []byte, status int, err error) {
	if req.Method != http.MethodGet {
		return nil, http.StatusMethodNotAllowed, errors.New("explanations are had by GET")
	}
	ref, err := subjectOf(req)
	if err != nil {
		return nil, http.StatusBadRequest, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), longest)
	defer cancel()
	visitor := door.From(ctx)
	resource, _ := resourceOf(ref.GroupKind)
	err = visitor.May(ctx, kube.Action{Verb: "get", Group: resource.Group, Resource: resource.Resource, Namespace: ref.Namespace, Name: ref.Name})
	switch {
	case errors.Is(err, door.ErrDenied):
		return nil, http.StatusForbidden, err
	case err != nil:
		return nil, http.StatusServiceUnavailable, errors.New("the API server cannot be asked what you may see")
	case !h.Working():
		return nil, http.StatusServiceUnavailable, errors.New("this process does not reconcile now: it has not listed the objects yet, or another holds the Lease")
	}
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	default:
		return nil, http.StatusTooManyRequests, errors.New("too many explanations are being made")
	}
	c := h.Config
	c.May = visitor.May
	report, err := New(c).Explain(ctx, ref, time.Now())
	if err != nil {
		return nil, http.StatusGatewayTimeout, err
	}
	var out bytes.Buffer
	err = report.Text(&out)
	return out.Bytes(), http.StatusInternalServerError, err
}

// subjectOf reads which object a request is about.
func subjectOf(req *http.Request) (reconcilers.Ref, error) {
	rest, ok := strings.CutPrefix(req.URL.Path, URLPath)
	if !ok || strings.Count(rest, "/") != 2 {
		return reconcilers.Ref{}, fmt.Errorf("the path is not %s<kind>/<namespace>/<name>", URLPath)
	}
	if len(req.URL.RawQuery) > 0 {
		return reconcilers.Ref{}, errors.New("explanations have no parameters")
	}
	return Subject(rest, "", nil)
}
