package bucket_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
)

func TestEscape(t *testing.T) {
	for key, want := range map[string]string{
		"a/b-_.~c":  "a/b-_.~c",
		"a b+c":     "a%20b%2Bc",
		"ü":         "%C3%BC",
		"a\nb%?#":   "a%0Ab%25%3F%23",
		"../x//y":   "../x//y",
		"a=b&c@d:e": "a%3Db%26c%40d%3Ae",
	} {
		if got := bucket.Escape(key, "/"); got != want {
			t.Errorf("Escape(%q) is %q, want %q", key, got, want)
		}
	}
}

func TestBounded(t *testing.T) {
	for text, want := range map[string]error{"": nil, "12345": nil, "123456": bucket.ErrTooLarge, strings.Repeat("1", 10_000): bucket.ErrTooLarge} {
		got, err := io.ReadAll(bucket.Bounded(io.NopCloser(strings.NewReader(text)), 5, "it"))
		if !errors.Is(err, want) || string(got) != text[:min(5, len(text))] {
			t.Errorf("%d bytes are read as %q with the error %v", len(text), got, err)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"a\n\t b\x00\x1b[31m":                             "a b [31m",
		"see https://host/path?sig=secret&x=y for more":   "see https://host/path for more",
		"Get \"HTTPS://host/?sig=secret\": x, http://b?c": "Get \"HTTPS://host/\": x, http://b",
		strings.Repeat("ü", 1000):                         strings.Repeat("ü", 200) + "...",
	} {
		if got := bucket.Clean(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
