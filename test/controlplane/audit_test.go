package controlplane

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseAudit(t *testing.T) {
	log := strings.Join([]string{
		`{"stage":"ResponseStarted","verb":"watch","user":{"username":"a"},"objectRef":{"resource":"pods"},"responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"watch","user":{"username":"a"},"objectRef":{"resource":"pods"},"responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"watch","user":{"username":"a"},"objectRef":{"resource":"pods"},"responseStatus":{"code":403}}`,
		`{"stage":"ResponseComplete","verb":"patch","user":{"username":"a"},"objectRef":{"resource":"deployments","apiGroup":"apps","subresource":"status"},"responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"get","user":{"username":"a"},"requestURI":"/openapi/v3?timeout=32s","responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"get","user":{"username":"b"},"objectRef":{"resource":"pods"},"responseStatus":{"code":200}}`,
		`{"stage":"ResponseComplete","verb":"get","user":{"username":"a"},"objectRef":{"res`, // still being written
	}, "\n")
	events, err := parseAudit(strings.NewReader(log), time.Time{}, "a")
	if err != nil {
		t.Fatal(err)
	}
	counts := Counts{}
	for _, event := range events {
		counts[event.Request]++
	}
	const want = "/openapi/v3 get: 1\napps/deployments/status patch: 1\npods watch: 2\n"
	if got := counts.String(); got != want {
		t.Errorf("counts = %q, want %q", got, want)
	}
	if counts.Total() != 4 || counts.Writes() != 1 || counts.Of("watch", "") != 2 || counts.Of("", "deployments") != 1 {
		t.Errorf("sums of %v are wrong", counts)
	}
}

func TestWhatCameInBeforeDoesNotCount(t *testing.T) {
	var log strings.Builder
	for _, at := range []string{"2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000003Z"} {
		log.WriteString(`{"stage":"ResponseComplete","verb":"get","user":{"username":"a"},"requestReceivedTimestamp":"` + at + `"}` + "\n")
	}
	since := time.Date(2026, 1, 1, 0, 0, 0, 2000, time.UTC)
	events, err := parseAudit(strings.NewReader(log.String()), since, "")
	if err != nil || len(events) != 1 || !events[0].Time.After(since) {
		t.Errorf("events = %v, %v, want the second alone", events, err)
	}
}

func TestMarkStandsBeforeALineThatIsBeingWritten(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	for _, test := range []struct {
		name, log string
		want      int64
	}{
		{"nothing", "", 0},
		{"whole lines", "one\ntwo\n", 8},
		{"a line begun", "one\ntwo\nthr", 8},
		{"a first line begun", "on", 0},
		{"a long line begun", "one\n" + long, 4},
		{"a long line ended", long + "\n", int64(len(long)) + 1},
	} {
		path := filepath.Join(t.TempDir(), fileAudit)
		if err := os.WriteFile(path, []byte(test.log), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := endOfLines(path); err != nil || got != test.want {
			t.Errorf("%s: endOfLines = %d, %v, want %d", test.name, got, err, test.want)
		}
	}
}
