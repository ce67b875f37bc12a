package release

import (
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/apply"
)

// annotation is the key of the mark on a Secret.
const annotation = api.AnnotationPrefix + "release"

// place is the step at which an action is.
type place string

// The steps, in order.
const (
	placePre   place = "pre"
	placeWrite place = "write"
	placeWait  place = "wait"
	placePost  place = "post"
	placeEnd   place = "end"
	placeFail  place = "fail"
	placeEnded place = "ended"
)

// mark is where an action is, as it is written on the Secret of the revision that it
// is about.
type mark struct {
	Attempt string      `json:"attempt"`
	Owner   apply.Owner `json:"owner"`
	Action  Action      `json:"action"`
	Step    place       `json:"step"`
	Terms   terms       `json:"terms"`
	Began   time.Time   `json:"began"`
	Ended   time.Time   `json:"ended,omitzero"`
	// Since is when the present wait began, zero between waits.
	Since time.Time `json:"since,omitzero"`
	// From is the revision that the action goes from, 0 if there is none.
	From int `json:"from,omitempty"`
	// Hooks are the runs of hooks so far.
	Hooks []hookMark `json:"hooks,omitempty"`
	// Created are the objects that were not there before, if they are to go when the
	// action fails.
	Created []ref `json:"created,omitempty"`
	// CRDs are what the crds folders add to the inventory.
	CRDs []ref `json:"crds,omitempty"`
	// Wrote says that objects may have been written.
	Wrote bool `json:"wrote,omitempty"`
	// Failed is the step at which the action has failed.
	Failed place `json:"failed,omitempty"`
	// Failure is why, Errors what else went wrong on its way.
	Failure string   `json:"failure,omitempty"`
	Errors  []string `json:"errors,omitempty"`
}

// terms are the options with which an action began.
type terms struct {
	Timeout       duration `json:"timeout,omitempty"`
	Wait          Wait     `json:"wait,omitempty"`
	Jobs          bool     `json:"jobs,omitempty"`
	NoHooks       bool     `json:"noHooks,omitempty"`
	Force         bool     `json:"force,omitempty"`
	TakeOwnership bool     `json:"takeOwnership,omitempty"`
	Cleanup       bool     `json:"cleanup,omitempty"`
	Keep          bool     `json:"keepHistory,omitempty"`
	Propagation   string   `json:"propagation,omitempty"`
	Include       []string `json:"include,omitempty"`
	Exclude       []string `json:"exclude,omitempty"`
	OCIDigest     string   `json:"ociDigest,omitempty"`
}

// duration is a [time.Duration] that people can read in the mark.
type duration time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

// ref is an inventory entry as the status of the owner has it.
type ref = api.ResourceRef

// hookMark is one run of a hook. A hook that is for both events of an action has two.
type hookMark struct {
	// At is the step, Index that of the hook in the stored revision.
	At    place `json:"at"`
	Index int   `json:"index"`
	Phase phase `json:"phase"`
	// UID is that of the object that the run created, Was of the one that there was
	// before, if it stays.
	UID       types.UID `json:"uid,omitempty"`
	Was       types.UID `json:"was,omitempty"`
	Started   time.Time `json:"started,omitzero"`
	Completed time.Time `json:"completed,omitzero"`
	// Why is why it has failed.
	Why string `json:"why,omitempty"`
}

// phase is how far the run of a hook is.
type phase string

const (
	hookClearing  phase = "clearing"
	hookRunning   phase = "running"
	hookStarted   phase = "started"
	hookSucceeded phase = "succeeded"
	hookFailed    phase = "failed"
)

// underway says that the action has not ended.
func (m *mark) underway() bool { return m != nil && m.Step != placeEnded }

// of says that the action is one of an owner that has not ended.
func (m *mark) of(o apply.Owner) bool { return m.underway() && m.Owner == o }

// text is the mark as it is written.
func (m *mark) text() (string, error) {
	data, err := json.Marshal(m)
	return string(data), err
}

// readMark returns the mark in annotations, nil if there is none that can be read: it
// is then somebody else's, or of a time that has other marks.
func readMark(annotations map[string]string) *mark {
	text := annotations[annotation]
	if text == "" {
		return nil
	}
	m := &mark{}
	if json.Unmarshal([]byte(text), m) != nil || m.Action == "" || m.Step == "" {
		return nil
	}
	return m
}
