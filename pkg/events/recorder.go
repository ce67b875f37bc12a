package events

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// repeatWindow is how long after its last occurrence a fact that happens
	// again counts as a repetition.
	repeatWindow = 10 * time.Minute
	// memory is how many facts each of the two generations of the recorder's
	// memory holds, at about 200 bytes.
	memory = 512
	// recordTries bounds the writes for one fact while the API server is away.
	recordTries = 4
	// recordPause is the time before the second try; it doubles each time.
	recordPause = time.Second
	// maxEventMessage keeps an event well below what etcd takes.
	maxEventMessage = 32 << 10
	// maxEventName is the most bytes that the name of an object may have.
	maxEventName = 253
)

// EventWriter writes Kubernetes events (core/v1) as JSON.
type EventWriter interface {
	CreateEvent(ctx context.Context, namespace string, event []byte) error
	// PatchEvent sends a JSON merge patch.
	PatchEvent(ctx context.Context, namespace, name string, patch []byte) error
}

// Recorder writes facts as Kubernetes events, where kubectl and flux find them:
// in the namespace of the object, or in default for one of the cluster scope.
type Recorder struct {
	writer   EventWriter
	instance string
	log      logr.Logger

	mu sync.Mutex // guards the fields below
	// recent and older are what was recorded lately, by the digest of the fact.
	// When recent is full it becomes older, and older is forgotten.
	recent, older map[factID]recorded
	last          int64 // the number in the name of the newest event
}

// factID is a digest of what makes two facts the same.
type factID [16]byte

// recorded is the event that a fact became.
type recorded struct {
	name  string
	count int
	at    time.Time
}

// NewRecorder returns a recorder. instance names this process in the events; the
// name of the Pod will do.
func NewRecorder(w EventWriter, instance string, log logr.Logger) *Recorder {
	return &Recorder{writer: w, instance: instance, log: log, recent: make(map[factID]recorded)}
}

// Handle records f. It blocks for as long as the API server takes, and gives up
// after a few tries: an event is worth little by the time it is late.
func (r *Recorder) Handle(ctx context.Context, f Fact) {
	if f.Time.IsZero() {
		f.Time = time.Now()
	}
	err := r.retry(ctx, func() error { return r.record(ctx, f) })
	if err != nil && ctx.Err() == nil {
		r.log.V(1).Info("cannot record an event", "object", f.Subject.String(), "reason", f.Reason, "error", err.Error())
	}
}

// record writes f once: as a new event, or as a repetition of an earlier one.
func (r *Recorder) record(ctx context.Context, f Fact) error {
	id := identify(f)
	if before, ok := r.recall(id, f.Time); ok {
		before.count, before.at = before.count+1, f.Time
		patch, err := json.Marshal(repetition(f, before.count))
		if err != nil {
			return fmt.Errorf("encode an event: %w", err)
		}
		err = r.writer.PatchEvent(ctx, eventNamespace(f.Subject), before.name, patch)
		if !apierrors.IsNotFound(err) {
			return r.remember(id, before, err)
		}
	}
	next := recorded{name: r.name(f), count: 1, at: f.Time}
	event, err := json.Marshal(newEvent(f, next.name, r.instance))
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	return r.remember(id, next, r.writer.CreateEvent(ctx, eventNamespace(f.Subject), event))
}

// retry calls f until it succeeds, fails for good or was tried often enough.
func (r *Recorder) retry(ctx context.Context, f func() error) error {
	pause := recordPause
	for try := 1; ; try++ {
		err := f()
		if err == nil || try == recordTries || !transient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// transient says whether a write may succeed when it is tried again: the server
// was not reached or was not well, or the name was taken.
func transient(err error) bool {
	switch apierrors.ReasonForError(err) {
	case metav1.StatusReasonUnknown, metav1.StatusReasonInternalError, metav1.StatusReasonServiceUnavailable,
		metav1.StatusReasonServerTimeout, metav1.StatusReasonTimeout, metav1.StatusReasonTooManyRequests,
		metav1.StatusReasonAlreadyExists:
		return true
	}
	return false
}

// name returns a name that no event of this process has had: the object's name
// and the time in hex.
func (r *Recorder) name(f Fact) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = max(r.last+1, f.Time.UnixNano())
	suffix := fmt.Sprintf(".%x", r.last)
	name := f.Subject.Name
	if limit := maxEventName - len(suffix); len(name) > limit {
		name = strings.TrimRight(name[:limit], "-.")
	}
	return name + suffix
}

// recall returns the event of an equal fact in the last minutes.
func (r *Recorder) recall(id factID, now time.Time) (recorded, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, ok := r.recent[id]
	if !ok {
		before, ok = r.older[id]
	}
	return before, ok && now.Sub(before.at) < repeatWindow
}

// remember keeps what was written unless the write failed with err, which it
// returns.
func (r *Recorder) remember(id factID, e recorded, err error) error {
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.recent) >= memory {
		r.older, r.recent = r.recent, make(map[factID]recorded)
	}
	r.recent[id] = e
	return nil
}

func identify(f Fact) (id factID) {
	s := f.Subject
	h := sha256.New()
	for _, part := range []string{
		s.Group, s.Kind, s.Namespace, s.Name, string(s.UID), string(f.Severity), f.Reason, f.Message, f.Controller,
	} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	copy(id[:], h.Sum(nil))
	return id
}
