package events

import (
	"context"

	"github.com/go-logr/logr"
)

// Journal logs facts that are no failures, with the keys by which flux logs finds
// them. Failures are logged by the engine, also those that are no news.
type Journal struct {
	log logr.Logger
}

// NewJournal returns a journal that writes to log.
func NewJournal(log logr.Logger) *Journal { return &Journal{log: log} }

// Handle logs f: at the level info, or debug for a [Trace] fact.
func (j *Journal) Handle(_ context.Context, f Fact) {
	log := j.log
	switch f.Severity {
	case Error:
		return
	case Trace:
		log = log.V(1)
	}
	keys := []any{
		"controller", f.Controller, "controllerGroup", f.Subject.Group, "controllerKind", f.Subject.Kind,
		"namespace", f.Subject.Namespace, "name", f.Subject.Name, "reason", f.Reason,
	}
	if revision := f.Annotations[f.Subject.Group+"/revision"]; revision != "" {
		keys = append(keys, "revision", revision)
	}
	log.Info(f.Message, keys...)
}
