package preview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/door"
)

// Path is where [Handler] serves: Path<namespace>/<name>.
const Path = "/api/v1/preview/kustomizations/"

// Limits of previews over HTTP.
const (
	// atOnce is how many are made at a time, and queued how many more may wait.
	atOnce, queued = 1, 4
	// longest is how long one may take, with the wait.
	longest = 2 * time.Minute
	// transfer is how long a folder may take to come, and an answer to go.
	transfer = 30 * time.Second
	// longestUpload is how many bytes a compressed folder may have.
	longestUpload = 32 << 20
)

// Handler serves previews to callers who came through a [door.Door], and tells each
// what it may know:
//
//	GET  <Path><namespace>/<name>?revision=R&branch=B&recursive=true&output=json
//	POST the same, whose body is a folder as tar.gz, with ?folder=<its name>
//
// The answer is JSON, or text with output=text. Unknown parameters are refused.
type Handler struct {
	previews *Previews
	turns    chan struct{}
	waiting  chan struct{}
}

// NewHandler returns a handler.
func NewHandler(p *Previews) *Handler {
	return &Handler{previews: p, turns: make(chan struct{}, atOnce), waiting: make(chan struct{}, atOnce+queued)}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "previews are had by GET and POST", http.StatusMethodNotAllowed)
		return
	}
	request, text, err := read(req)
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	control := http.NewResponseController(w)
	if req.Method == http.MethodPost {
		request.Folder = upload(request.Folder.Name, req.Body, control)
	}
	report, err := h.make(req.Context(), request)
	if err != nil {
		if errors.Is(err, errBusy) {
			w.Header().Set("Retry-After", "5")
		}
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	_ = control.SetWriteDeadline(time.Now().Add(transfer)) // where that is not possible, the caller is trusted
	answer(w, report, text)
}

var errBusy = errors.New("too many previews are being made")

// make makes a preview when it is its turn.
func (h *Handler) make(ctx context.Context, r Request) (*Report, error) {
	if err := r.Policy.Owner(ctx, refOf(r)); err != nil {
		return nil, err // before anybody else has to wait for it
	}
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return h.previews.Run(ctx, r)
}

// read reads a request.
func read(req *http.Request) (r Request, text bool, err error) {
	bad := func(format string, args ...any) (Request, bool, error) {
		return Request{}, false, fmt.Errorf("%w: %s", ErrRequest, fmt.Sprintf(format, args...))
	}
	rest, ok := strings.CutPrefix(req.URL.Path, Path)
	namespace, name, named := strings.Cut(rest, "/")
	if !ok || !named || namespace == "" || name == "" || strings.Contains(name, "/") {
		return bad("the path is not %s<namespace>/<name>", Path)
	}
	r = Request{Kind: api.KustomizationGVK.GroupKind(), Namespace: namespace, Name: name, Policy: access{door.From(req.Context())}}
	folder := "uploaded"
	for key, values := range req.URL.Query() {
		value := values[len(values)-1]
		switch {
		case key == "revision":
			r.Revision = value
		case key == "branch":
			r.Branch = value
		case key == "folder" && req.Method == http.MethodPost:
			folder = value
		case key == "recursive" && (value == "true" || value == "false"):
			r.Recursive = value == "true"
		case key == "output" && (value == "json" || value == "text"):
			text = value == "text"
		default:
			return bad("the parameter %.50q, or its value, is not known", key)
		}
	}
	if req.Method == http.MethodPost {
		r.Folder = &Folder{Name: fmt.Sprintf("%.100s", folder)}
	}
	return r, text, r.validate()
}

// upload returns the folder that a body holds. It can be added once. It has to come in
// time, because others wait meanwhile.
func upload(name string, body io.Reader, control *http.ResponseController) *Folder {
	return &Folder{Name: name, Add: func(ctx context.Context, b *artifacts.Builder, keep func(string) bool) error {
		_ = control.SetReadDeadline(time.Now().Add(transfer)) // where that is not possible, the caller is trusted
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
		body := &limited{r: body, left: longestUpload}
		return b.AddTarGz(ctx, body, artifacts.TarOptions{Filter: keep, Links: artifacts.FollowLinks})
	}}
}

// limited fails where a body is longer than it may be.
type limited struct {
	r    io.Reader
	left int64
}

// Read implements [io.Reader].
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("%w: the folder has more than %d bytes, compressed", artifacts.ErrLimit, longestUpload)
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// statusOf returns the HTTP status of an error.
func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrRequest):
		return http.StatusBadRequest
	case errors.Is(err, ErrDenied):
		return http.StatusForbidden
	case errors.Is(err, ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, errBusy):
		return http.StatusTooManyRequests
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

func answer(w http.ResponseWriter, report *Report, text bool) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if text {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_ = report.Text(w) // the caller has gone
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(report) // the caller has gone
}
