package artifacts

import (
	"cmp"
	"errors"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

const (
	// servedAtOnce is how many artifacts are sent at a time.
	servedAtOnce = 16
	// sendGrace and sendRate bound how long one may take: as long as a client
	// that takes so many bytes per second.
	sendGrace = 30 * time.Second
	sendRate  = 128 << 10
)

// Offers says which artifact is offered at a path such as
// gitrepository/apps/web/<commit>.tar.gz, and whether there is one. Owner, Digest
// and Updated count.
type Offers func(path string) (Artifact, bool)

// Handler serves artifacts to whoever cannot read them from memory: the bytes that
// their digests are of.
type Handler struct {
	store  *Store
	offers Offers
	cold   func(Owner)
	slots  chan struct{}
}

// NewHandler returns a handler of GET and HEAD. Cold is told of an artifact that is
// offered but not in the store; it may be nil. What is not offered, or not there, is
// not found. There are no listings, no redirects and no parts of artifacts.
func NewHandler(store *Store, offers Offers, cold func(Owner)) *Handler {
	return &Handler{store: store, offers: offers, cold: cold, slots: make(chan struct{}, servedAtOnce)}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	a, ok := h.find(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many artifacts are being sent", http.StatusServiceUnavailable)
		return
	}
	tree, release, err := h.store.Open(a.Owner, a.Digest)
	if err != nil {
		h.missing(a)
		http.NotFound(w, r)
		return
	}
	defer release()
	h.send(w, r, a, tree)
}

// find returns the artifact of a path. A path that is not clean names nothing.
func (h *Handler) find(at string) (Artifact, bool) {
	if path.Clean(at) != at || !strings.HasPrefix(at, "/") || strings.ContainsAny(at, "\\\x00") {
		return Artifact{}, false
	}
	a, ok := h.offers(at[1:])
	return a, ok && a.Digest != ""
}

// missing has an artifact fetched again that the store let go of. One that the store
// has another version of is about to be offered.
func (h *Handler) missing(a Artifact) {
	if _, newer := h.store.Newest(a.Owner); !newer && h.cold != nil {
		h.cold(a.Owner)
	}
}

func (h *Handler) send(w http.ResponseWriter, r *http.Request, a Artifact, tree *Tree) {
	tag := `"` + a.Digest + `"`
	header := w.Header()
	header.Set("ETag", tag)
	header.Set("Accept-Ranges", "none")
	header.Set("Cache-Control", "no-cache") // the same name may stand for news
	header.Set("X-Content-Type-Options", "nosniff")
	if !a.Updated.IsZero() {
		header.Set("Last-Modified", a.Updated.UTC().Format(http.TimeFormat))
	}
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", contentType(r.URL.Path))
	header.Set("Content-Length", strconv.FormatInt(tree.Size(), 10))
	if r.Method == http.MethodHead {
		return
	}
	// A client that is slower keeps memory from those who need it.
	limit := sendGrace + time.Duration(tree.Size()/sendRate)*time.Second
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		panic(http.ErrAbortHandler)
	}
	if err := tree.WriteTarGz(w); err != nil {
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
}

// contentType returns that of a file name.
func contentType(name string) string {
	known := map[string]string{".gz": "application/gzip", ".tgz": "application/gzip", ".yaml": "application/yaml"}
	return cmp.Or(known[path.Ext(name)], "application/octet-stream")
}
