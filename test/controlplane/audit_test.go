package controlplane

import (
	"strings"
	"testing"
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
	events, err := parseAudit(strings.NewReader(log), "a")
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
