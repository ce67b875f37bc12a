package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestQuantity(t *testing.T) {
	for in, want := range map[string]string{
		"32Mi": "32Mi", "33554432": "32Mi", "1Gi": "1Gi", "1500": "1500", "0": "", "-1Mi": "", "many": "", "": "",
	} {
		var q quantity
		err := q.Set(in)
		if (err != nil) != (want == "") {
			t.Errorf("%q: %v", in, err)
		}
		if err == nil && q.String() != want {
			t.Errorf("%q is shown as %s, want %s", in, q.String(), want)
		}
	}
}

func TestGates(t *testing.T) {
	tests := map[string]struct {
		in   string
		want string // empty is refused
	}{
		"both ways":                 {"DisableConfigWatchers=true", "DisableConfigWatchers=true"},
		"several":                   {"MigrateAPIVersion=false, GroupChangeLog=true", "GroupChangeLog=true,MigrateAPIVersion=false"},
		"as it always is":           {"CancelHealthCheckOnNewRevision=true", "CancelHealthCheckOnNewRevision=true"},
		"what makes no difference":  {"CacheSecretsAndConfigMaps=true", "CacheSecretsAndConfigMaps=true"},
		"what it is not":            {"ExternalArtifact=false", "ExternalArtifact=false"},
		"unknown":                   {"Unknown=true", ""},
		"without a value":           {"MigrateAPIVersion", ""},
		"with a value that is none": {"MigrateAPIVersion=maybe", ""},
		"nothing":                   {"", ""},
		"a good one and a bad one":  {"MigrateAPIVersion=true,Unknown=true", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := gates{}
			err := g.Set(test.in)
			if (err != nil) != (test.want == "") {
				t.Fatalf("error %v", err)
			}
			if err == nil && g.String() != test.want {
				t.Errorf("shown as %s, want %s", g.String(), test.want)
			}
		})
	}
}

// Flags of the stock controllers that mean nothing here are accepted; the ones that
// would mislead are not.
func TestIgnoredFlags(t *testing.T) {
	for arg, ok := range map[string]bool{
		"--storage-path=/data": true, "--http-retry=3": true, "--artifact-digest-algo=sha256": true,
		"--artifact-digest-algo=sha1": false,
	} {
		if _, err := parse(t, arg); (err == nil) != ok {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

// Every flag explains itself in the reference page.
func TestWriteFlags(t *testing.T) {
	var page bytes.Buffer
	writeFlags(&page)
	lines := strings.Split(strings.TrimSpace(page.String()), "\n")
	if len(lines) < 40 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines[2:] {
		if strings.HasSuffix(line, "|  |") || strings.Count(line, " | ") < 2 {
			t.Errorf("a flag without a meaning: %s", line)
		}
	}
}

func TestGatesThatNobodyAskedFor(t *testing.T) {
	const strict = "StrictPostBuildSubstitutions"
	if (gates{}).on("MigrateAPIVersion") || !(gates{}).on(strict) || (gates{strict: false}).on(strict) {
		t.Error("a gate is not as it is by default, or as it was asked for")
	}
}
