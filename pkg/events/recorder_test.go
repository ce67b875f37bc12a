package events

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// store is an EventWriter that keeps what it is given.
type store struct {
	events map[string]map[string]any // by namespace/name
	writes int
	fail   []error // answers to the next writes, nil for success
}

func newStore() *store { return &store{events: make(map[string]map[string]any)} }

var eventResource = schema.GroupResource{Resource: "events"}

func (s *store) answer() error {
	s.writes++
	if len(s.fail) == 0 {
		return nil
	}
	err := s.fail[0]
	s.fail = s.fail[1:]
	return err
}

func (s *store) CreateEvent(_ context.Context, namespace string, body []byte) error {
	if err := s.answer(); err != nil {
		return err
	}
	var event map[string]any
	if err := json.Unmarshal(body, &event); err != nil {
		return err
	}
	key := namespace + "/" + event["metadata"].(map[string]any)["name"].(string)
	if s.events[key] != nil {
		return apierrors.NewAlreadyExists(eventResource, key)
	}
	s.events[key] = event
	return nil
}

func (s *store) PatchEvent(_ context.Context, namespace, name string, body []byte) error {
	if err := s.answer(); err != nil {
		return err
	}
	event := s.events[namespace+"/"+name]
	if event == nil {
		return apierrors.NewNotFound(eventResource, name)
	}
	var patch map[string]any
	if err := json.Unmarshal(body, &patch); err != nil {
		return err
	}
	merge(event, patch)
	return nil
}

// merge applies a JSON merge patch.
func merge(into, patch map[string]any) {
	for key, value := range patch {
		deep, isMap := value.(map[string]any)
		old, wasMap := into[key].(map[string]any)
		if isMap && wasMap {
			merge(old, deep)
			continue
		}
		into[key] = value
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func aFact(edit ...func(*Fact)) Fact {
	f := Fact{
		Subject: Subject{
			GroupVersionKind: schema.GroupVersionKind{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"},
			Namespace:        "flux-system", Name: "apps", UID: "u-1", ResourceVersion: "7",
		},
		Severity: Info, Reason: "ReconciliationSucceeded", Message: "Reconciliation finished",
		Annotations: map[string]string{"kustomize.toolkit.fluxcd.io/revision": "main@sha1:1"},
		Controller:  "kustomize-controller", Time: noon,
	}
	for _, e := range edit {
		e(&f)
	}
	return f
}

func TestRecorderWritesAnEvent(t *testing.T) {
	s := newStore()
	NewRecorder(s, "fluxd-0", logr.Discard()).Handle(t.Context(), aFact())
	want := map[string]map[string]any{
		"flux-system/apps." + strconv.FormatInt(noon.UnixNano(), 16): {
			"apiVersion": "v1", "kind": "Event",
			"metadata": map[string]any{
				"name": "apps." + strconv.FormatInt(noon.UnixNano(), 16), "namespace": "flux-system",
				"annotations": map[string]any{"kustomize.toolkit.fluxcd.io/revision": "main@sha1:1"},
			},
			"involvedObject": map[string]any{
				"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
				"namespace": "flux-system", "name": "apps", "uid": "u-1", "resourceVersion": "7",
			},
			"reason": "ReconciliationSucceeded", "message": "Reconciliation finished", "type": "Normal",
			"source":         map[string]any{"component": "kustomize-controller"},
			"firstTimestamp": "2026-03-01T12:00:00Z", "lastTimestamp": "2026-03-01T12:00:00Z", "count": 1.0,
			"reportingComponent": "kustomize-controller", "reportingInstance": "fluxd-0",
		},
	}
	if diff := cmp.Diff(want, s.events); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecorderEventType(t *testing.T) {
	for severity, want := range map[Severity]string{Trace: "Normal", Info: "Normal", Error: "Warning"} {
		if got := newEvent(aFact(func(f *Fact) { f.Severity = severity }), "n", "i").Type; got != want {
			t.Errorf("severity %s became type %s, want %s", severity, got, want)
		}
	}
}

func TestRecorderCountsRepetitions(t *testing.T) {
	tests := map[string]struct {
		second Fact
		counts []float64
	}{
		"the same fact raises the count":     {aFact(later(time.Minute)), []float64{2}},
		"also just before ten minutes":       {aFact(later(10*time.Minute - 1)), []float64{2}},
		"after ten minutes it is new":        {aFact(later(10 * time.Minute)), []float64{1, 1}},
		"another message is another event":   {aFact(later(1), func(f *Fact) { f.Message += "!" }), []float64{1, 1}},
		"another reason is another event":    {aFact(later(1), func(f *Fact) { f.Reason = "Other" }), []float64{1, 1}},
		"another severity is another event":  {aFact(later(1), func(f *Fact) { f.Severity = Error }), []float64{1, 1}},
		"another object is another event":    {aFact(later(1), func(f *Fact) { f.Subject.UID = "u-2" }), []float64{1, 1}},
		"another version of it is the same":  {aFact(later(1), func(f *Fact) { f.Subject.ResourceVersion = "8" }), []float64{2}},
		"other annotations are no new event": {aFact(later(1), func(f *Fact) { f.Annotations = map[string]string{"a": "b"} }), []float64{2}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore()
			r := NewRecorder(s, "fluxd-0", logr.Discard())
			r.Handle(t.Context(), aFact())
			r.Handle(t.Context(), tt.second)
			var counts []float64
			for _, event := range s.events {
				counts = append(counts, event["count"].(float64))
			}
			if diff := cmp.Diff(tt.counts, counts); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

func later(d time.Duration) func(*Fact) { return func(f *Fact) { f.Time = f.Time.Add(d) } }

func TestRecorderRepetitionMovesTheLastTime(t *testing.T) {
	s := newStore()
	r := NewRecorder(s, "fluxd-0", logr.Discard())
	r.Handle(t.Context(), aFact())
	r.Handle(t.Context(), aFact(later(9*time.Minute)))
	r.Handle(t.Context(), aFact(later(18*time.Minute))) // ten minutes count from the last one
	for _, event := range s.events {
		if diff := cmp.Diff([]any{3.0, "2026-03-01T12:00:00Z", "2026-03-01T12:18:00Z"},
			[]any{event["count"], event["firstTimestamp"], event["lastTimestamp"]}); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestRecorderCreatesAnEventAgainThatExpired(t *testing.T) {
	s := newStore()
	r := NewRecorder(s, "fluxd-0", logr.Discard())
	r.Handle(t.Context(), aFact())
	clear(s.events)
	r.Handle(t.Context(), aFact(later(time.Minute)))
	if len(s.events) != 1 {
		t.Errorf("%d events, want a new one", len(s.events))
	}
}

func TestRecorderNamespaceOfClusterScope(t *testing.T) {
	s := newStore()
	NewRecorder(s, "", logr.Discard()).Handle(t.Context(), aFact(func(f *Fact) { f.Subject.Namespace = "" }))
	for key := range s.events {
		if !strings.HasPrefix(key, "default/") {
			t.Errorf("the event is %s, want it in default", key)
		}
	}
}

func TestRecorderNames(t *testing.T) {
	r := NewRecorder(newStore(), "", logr.Discard())
	seen := make(map[string]bool)
	for _, name := range []string{"apps", "apps", strings.Repeat("a", 253), strings.Repeat("b", 230) + "..-.--" + strings.Repeat("c", 17)} {
		got := r.name(aFact(func(f *Fact) { f.Subject.Name = name }))
		if seen[got] || len(got) > maxEventName {
			t.Errorf("%q is taken or has %d bytes", got, len(got))
		}
		if head := got[:strings.LastIndex(got, ".")]; strings.HasSuffix(head, ".") || strings.HasSuffix(head, "-") {
			t.Errorf("%q is no name for an object", got)
		}
		seen[got] = true
	}
}

func TestRecorderTriesAgain(t *testing.T) {
	away := errors.New("connection refused")
	busy := apierrors.NewTooManyRequests("slow down", 1)
	ending := apierrors.NewForbidden(eventResource, "x", errors.New("the namespace is being terminated"))
	tests := map[string]struct {
		fail           []error
		events, writes int
		took           time.Duration
	}{
		"a server that is away for a moment":      {[]error{away, busy}, 1, 3, 3 * time.Second},
		"a name that is taken":                    {[]error{apierrors.NewAlreadyExists(eventResource, "x")}, 1, 2, time.Second},
		"a server that stays away is given up":    {[]error{away, away, away, away}, 0, 4, 7 * time.Second},
		"what is forbidden is not asked again":    {[]error{ending}, 0, 1, 0},
		"what the server rejects is not repeated": {[]error{apierrors.NewBadRequest("no")}, 0, 1, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.fail = tt.fail
				started := time.Now()
				NewRecorder(s, "", logr.Discard()).Handle(t.Context(), aFact())
				if diff := cmp.Diff([]any{tt.events, tt.writes, tt.took}, []any{len(s.events), s.writes, time.Since(started)}); diff != "" {
					t.Errorf("events, writes, time (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestRecorderStopsTryingWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		s := newStore()
		s.fail = []error{errors.New("a"), errors.New("b"), errors.New("c"), errors.New("d")}
		started := time.Now()
		NewRecorder(s, "", logr.Discard()).Handle(ctx, aFact())
		if took := time.Since(started); took != 1500*time.Millisecond {
			t.Errorf("returned after %s", took)
		}
	})
}

func TestRecorderMemoryIsBounded(t *testing.T) {
	s := newStore()
	r := NewRecorder(s, "", logr.Discard())
	for i := range 5 * memory {
		r.Handle(t.Context(), aFact(func(f *Fact) { f.Message = strconv.Itoa(i) }))
	}
	if held := len(r.recent) + len(r.older); held > 2*memory {
		t.Errorf("%d facts are remembered, want at most %d", held, 2*memory)
	}
	r.Handle(t.Context(), aFact(func(f *Fact) { f.Message = strconv.Itoa(5*memory - 1) }))
	if len(s.events) != 5*memory {
		t.Error("the newest fact was forgotten")
	}
}

func TestRecorderClipsMessages(t *testing.T) {
	e := newEvent(aFact(func(f *Fact) { f.Message = strings.Repeat("x", maxEventMessage+1) }), "n", "i")
	if len(e.Message) != maxEventMessage {
		t.Errorf("the message has %d bytes", len(e.Message))
	}
}

func TestTransientIsAboutTheServer(t *testing.T) {
	if !transient(apierrors.NewInternalError(errors.New("x"))) || transient(&apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid}}) {
		t.Error("an internal error is worth another try, an invalid event is not")
	}
}
