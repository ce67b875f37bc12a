package events

import (
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	tests := map[string]struct {
		in    string
		limit int
		want  string
	}{
		"short text stays":                  {"hello", 5, "hello"},
		"long text ends in dots":            {"hello world", 8, "hello..."},
		"no character is cut in two":        {"abcäöü", 8, "abcä..."},
		"nor the one that would just touch": {"abcdäöü", 8, "abcd..."},
		"empty text stays":                  {"", 3, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := clip(tt.in, tt.limit)
			if got != tt.want {
				t.Errorf("clip(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
			}
			if len(got) > max(tt.limit, len(tt.want)) || !utf8.ValidString(got) {
				t.Errorf("clip(%q, %d) = %q is too long or not valid", tt.in, tt.limit, got)
			}
		})
	}
}
