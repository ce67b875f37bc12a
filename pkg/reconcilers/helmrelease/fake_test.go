package helmrelease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fluxd/fluxd/pkg/apply"
	"github.com/fluxd/fluxd/pkg/apply/release"
	"github.com/fluxd/fluxd/pkg/forecast"
)

// storage is a releaser that behaves as far as the kind can tell: it keeps records, and
// actions end as a test says.
type storage struct {
	records map[int]*release.Observation
	// failing are the reasons for which actions fail from now on, refused those for
	// which they do not begin, by the name of the action.
	failing, refused map[string]error
	// waits is how often an action of a name waits before it ends.
	waits map[string]int
	// tests are those of every revision, and how they end.
	tests map[string]release.Phase
	drift []release.Drift
	// unread fails every look at the storage.
	unread error
	// missed fails as many looks at the last record.
	missed int
	log    []string // actions that began or went on

	begun   *begun
	targets []release.Target
	upgrade release.Upgrade
	install release.Install
	crds    []string
	// unwatched counts how often nothing was to be watched any more.
	unwatched int
}

// begun is an action that waits.
type begun struct {
	name    string
	attempt string
	version int
	oci     string
}

func newStorage() *storage {
	return &storage{
		records: map[int]*release.Observation{}, failing: map[string]error{}, refused: map[string]error{}, waits: map[string]int{},
	}
}

func (s *storage) last() *release.Observation {
	if len(s.records) == 0 {
		return nil
	}
	return s.records[slices.Max(slices.Collect(maps.Keys(s.records)))]
}

// seal makes the digest of a record from what decides it.
func seal(o *release.Observation, oci string) *release.Observation {
	o.Digest = fmt.Sprintf("sha256:%d-%s-%s-%s-%s", o.Version, o.Status, o.ChartVersion, o.ConfigDigest, oci)
	return o
}

func (s *storage) Last(_ context.Context, t release.Target, tag release.Tag) (*release.Observation, error) {
	s.targets = append(s.targets, t)
	if s.missed > 0 {
		s.missed--
		return nil, apierrors.NewServiceUnavailable("no leader")
	}
	last := s.last()
	if s.unread != nil || last == nil || last.Name != t.Name {
		return nil, s.unread
	}
	o := *last
	return seal(&o, tag.OCIDigest), nil
}

func (s *storage) Revision(_ context.Context, _ release.Target, version int, tag release.Tag) (*release.Observation, error) {
	found := s.records[version]
	if s.unread != nil || found == nil {
		return nil, s.unread
	}
	o := *found
	return seal(&o, tag.OCIDigest), nil
}

func (s *storage) Inventory(context.Context, release.Target, int) (apply.Inventory, error) {
	return apply.Inventory{{Kind: "ConfigMap", Version: "v1", Namespace: "apps", Name: "adopted"}}, nil
}

func (s *storage) Current(context.Context, release.Target) (*release.Chart, map[string]any, error) {
	return nil, nil, nil
}

func (s *storage) ApplyCRDs(_ context.Context, _ release.Target, c release.CRDs) (release.Step, error) {
	s.crds = c.Manifests
	if s.waits["definitions"] > 0 {
		s.waits["definitions"]--
		return release.Step{Waiting: &release.Waiting{After: time.Second}}, nil
	}
	return release.Step{Done: true}, s.refused["definitions"]
}

// begin begins an action with a record that is pending, or goes on with it.
func (s *storage) begin(name string, o release.Options, pend *release.Observation) (release.Step, error) {
	s.log = append(s.log, name)
	if err := s.refused[name]; err != nil {
		return release.Step{}, err
	}
	if pend != nil {
		s.records[pend.Version] = pend
	}
	s.begun = &begun{name: name, attempt: o.Attempt, version: s.last().Version, oci: o.OCIDigest}
	s.last().Attempt, s.last().Underway, s.last().Failure = o.Attempt, true, ""
	return s.step()
}

// step takes the next step of the action that was begun.
func (s *storage) step() (release.Step, error) {
	b, rec := s.begun, s.records[s.begun.version]
	oci := b.oci
	step := release.Step{Action: release.Action(b.name), Attempt: b.attempt, Began: time.Now()}
	if s.waits[b.name] > 0 {
		s.waits[b.name]--
		step.Waiting = &release.Waiting{What: "something", After: time.Minute}
		o := *rec
		step.Observed = []release.Observation{*seal(&o, oci)}
		return step, nil
	}
	step.Done, step.Failure, s.begun = true, s.failing[b.name], nil
	step.Logs = []release.Log{{Time: time.Unix(0, 0).UTC(), Text: "did " + b.name}}
	rec.Underway, rec.Ended = false, time.Now()
	s.finish(b.name, rec, &step)
	if step.Failure != nil {
		rec.Failure = step.Failure.Error()
	}
	o := *rec
	step.Observed = append(step.Observed, *seal(&o, oci))
	return step, nil
}

// finish leaves the records as the end of an action does.
func (s *storage) finish(name string, rec *release.Observation, step *release.Step) {
	step.Inventory = apply.Inventory{{Kind: "ConfigMap", Version: "v1", Namespace: "apps", Name: "web"}}
	switch name {
	case "test":
		rec.Tests = map[string]release.HookRun{}
		for test, phase := range s.tests {
			if phase == "Failed" {
				step.Failure = errors.New("1 error occurred: " + test + " failed")
			}
			rec.Tests[test] = release.HookRun{Phase: phase}
		}
		step.Inventory = nil
		return
	case "uninstall":
		step.Inventory = nil
		if step.Failure == nil {
			rec.Status, rec.Deleted = "uninstalled", time.Unix(9, 0)
			clear(s.records)
		}
		return
	case "unlock":
		rec.Status, rec.Attempt, step.Inventory = "failed", "", nil
		return
	}
	if step.Failure != nil {
		rec.Status = "failed"
		return
	}
	for _, older := range s.records {
		if older != rec && older.Status == "deployed" {
			older.Status = "superseded"
			o := *older
			step.Observed = append(step.Observed, *seal(&o, s.targets[len(s.targets)-1].Tags[o.Version].OCIDigest))
		}
	}
	rec.Status = "deployed"
}

func (s *storage) next(t release.Target, status release.Status) *release.Observation {
	version := 1
	if last := s.last(); last != nil {
		version = last.Version + 1
	}
	return &release.Observation{Name: t.Name, Namespace: t.Namespace, Version: version, Status: status}
}

func (s *storage) Install(_ context.Context, t release.Target, in release.Install) (release.Step, error) {
	s.install = in
	o := s.next(t, "pending-install")
	o.ChartName, o.ChartVersion = in.Chart.Metadata.Name, in.Chart.Metadata.Version
	o.ConfigDigest = configOf(in.Values)
	return s.begin("install", in.Options, o)
}

func (s *storage) Upgrade(_ context.Context, t release.Target, up release.Upgrade) (release.Step, error) {
	s.upgrade = up
	o := s.next(t, "pending-upgrade")
	o.ChartName, o.ChartVersion = up.Chart.Metadata.Name, up.Chart.Metadata.Version
	o.ConfigDigest = configOf(up.Values)
	return s.begin("upgrade", up.Options, o)
}

func (s *storage) Rollback(_ context.Context, t release.Target, rb release.Rollback) (release.Step, error) {
	o, to := s.next(t, "pending-rollback"), s.records[rb.Version]
	o.ChartName, o.ChartVersion, o.ConfigDigest = to.ChartName, to.ChartVersion, to.ConfigDigest
	return s.begin("rollback", rb.Options, o)
}

func (s *storage) Uninstall(_ context.Context, t release.Target, un release.Uninstall) (release.Step, error) {
	if s.last() == nil || s.last().Name != t.Name {
		s.log = append(s.log, "uninstall of nothing")
		return release.Step{}, release.ErrNoRelease
	}
	return s.begin("uninstall", un.Options, nil)
}

func (s *storage) Test(_ context.Context, _ release.Target, te release.Test) (release.Step, error) {
	return s.begin("test", te.Options, nil)
}

func (s *storage) Unlock(_ context.Context, _ release.Target, o release.Options) (release.Step, error) {
	return s.begin("unlock", o, nil)
}

func (s *storage) Continue(context.Context, release.Target) (release.Step, error) {
	if s.begun == nil {
		return release.Step{}, release.ErrNothingUnderway
	}
	s.log = append(s.log, "continue "+s.begun.name)
	return s.step()
}

func (s *storage) Cancel(_ context.Context, _ release.Target, cause error) (release.Step, error) {
	s.log = append(s.log, "cancel "+s.begun.name)
	s.waits[s.begun.name], s.failing[s.begun.name] = 0, cause
	step, err := s.step()
	delete(s.failing, strings.TrimPrefix(s.log[len(s.log)-1], "cancel "))
	return step, err
}

func (s *storage) Drift(context.Context, release.Target, release.Watch) ([]release.Drift, error) {
	return s.drift, s.refused["drift"]
}

func (s *storage) Correct(context.Context, release.Target, release.Watch) (apply.Changes, error) {
	s.log = append(s.log, "correct")
	if err := s.failing["correct"]; err != nil {
		return nil, err
	}
	s.drift = nil
	return apply.Changes{{Entry: apply.Entry{Kind: "ConfigMap", Namespace: "apps", Name: "web"}, Action: apply.Configured}}, nil
}

func (s *storage) Unwatch(release.Target) { s.unwatched++ }
func (s *storage) Forget(apply.Owner)     {}

func (s *storage) Forecast(_ context.Context, t release.Target, f release.Foresight) ([]forecast.Object, error) {
	s.log = append(s.log, "forecast")
	return []forecast.Object{{Kind: "ConfigMap", Namespace: t.Namespace, Name: t.Name, Message: f.Manifest}}, nil
}

func (s *storage) ForecastUninstall(_ context.Context, _ release.Target, inventory apply.Inventory) ([]forecast.Object, error) {
	s.log = append(s.log, "forecast the end")
	return make([]forecast.Object, len(inventory)), nil
}
