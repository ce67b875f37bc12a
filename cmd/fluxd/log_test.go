package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// The lines of the log have the keys that readers of Flux logs know.
func TestLogKeys(t *testing.T) {
	var out bytes.Buffer
	log, err := newLogger("debug", "json", &out)
	if err != nil {
		t.Fatal(err)
	}
	log = log.WithName("engine").WithValues("controllerKind", "Kustomization", "name", "apps", "namespace", "edge")
	log.Info("applied")
	log.V(1).Info("looked")
	log.V(2).Info("not at this level")
	log.Error(errors.New("it broke"), "Reconciler error")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), out.String())
	}
	for i, want := range []struct{ level, msg, err string }{
		{"info", "applied", ""}, {"debug", "looked", ""}, {"error", "Reconciler error", "it broke"},
	} {
		var line map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &line); err != nil {
			t.Fatal(err)
		}
		broke, _ := line["error"].(string)
		if line["level"] != want.level || line["msg"] != want.msg || broke != want.err {
			t.Errorf("line %s, want %+v", lines[i], want)
		}
		for _, key := range []string{"ts", "logger", "controllerKind", "name", "namespace"} {
			if line[key] == nil {
				t.Errorf("line %s has no %s", lines[i], key)
			}
		}
		if line["caller"] != nil || line["stacktrace"] != nil {
			t.Errorf("line %s says more than people ask for", lines[i])
		}
	}
}

func TestLogLevels(t *testing.T) {
	for level, want := range map[string]int{"trace": 4, "debug": 3, "info": 2, "error": 1} {
		var out bytes.Buffer
		log, err := newLogger(level, "console", &out)
		if err != nil {
			t.Fatal(err)
		}
		log.Error(nil, "an error")
		log.Info("info")
		log.V(1).Info("debug")
		log.V(2).Info("trace")
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("%s: %d lines, want %d", level, got, want)
		}
	}
}

// A line stays below the 64 KiB that flux logs reads at most.
func TestLogLinesAreShort(t *testing.T) {
	var out bytes.Buffer
	log, err := newLogger("info", "json", &out)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("\"quoted\"\n", 1<<16)
	log.WithValues("more", long).Error(errors.New(long), long, "key", long)
	if out.Len() >= 64<<10 {
		t.Errorf("a line has %d bytes", out.Len())
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"msg", "error", "key", "more"} {
		if text, _ := line[key].(string); !strings.HasPrefix(text, "\"quoted\"\n") || !strings.HasSuffix(text, "...") {
			t.Errorf("%s: %.40s", key, text)
		}
	}
}
