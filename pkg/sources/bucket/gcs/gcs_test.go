package gcs_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
	"github.com/fluxd/fluxd/pkg/sources/bucket/buckettest"
	"github.com/fluxd/fluxd/pkg/sources/bucket/gcs"
)

func serve(t *testing.T) (*buckettest.GCS, gcs.Config) {
	server := buckettest.NewGCS()
	t.Cleanup(server.Server.Close)
	server.Token = "ya29.token"
	return server, gcs.Config{
		Bucket: server.Bucket, Endpoint: server.Server.URL, Transport: server.Server.Client().Transport,
		Token: func(context.Context) (string, error) { return "ya29.token", nil },
	}
}

func connect(t *testing.T, c gcs.Config) *gcs.Service {
	t.Helper()
	service, err := gcs.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// read returns the content and the tag of an object.
func read(t *testing.T, s *gcs.Service, e bucket.Entry) (string, string) {
	t.Helper()
	content, err := s.Open(t.Context(), e)
	if err != nil {
		t.Fatalf("open %q: %v", e.Key, err)
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), content.ETag
}

func TestReading(t *testing.T) {
	server, c := serve(t)
	server.PageSize = 2
	want := map[string]string{"a": "1", "dir/b c+d": "2", "dir//e": "3", "ü?x=%20#": "4", "other": "5"}
	for key, content := range want {
		server.Put(key, content)
	}
	service, got := connect(t, c), map[string]string{}
	for token, pages := "", 0; ; {
		page, err := service.Page(t.Context(), "", token)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			text, etag := read(t, service, e)
			if got[e.Key] = text; etag != e.ETag || !strings.HasPrefix(etag, "CJ1/") || e.Size != 1 {
				t.Errorf("listed %+v, the tag is %s", e, etag)
			}
		}
		if pages++; page.Next == "" {
			if pages != 3 {
				t.Errorf("there were %d pages, want 3", pages)
			}
			break
		}
		token = page.Next
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	page, err := service.Page(t.Context(), "dir/", "")
	if err != nil || len(page.Entries) != 2 {
		t.Errorf("with a prefix: %+v, %v", page, err)
	}
}

func TestTheTagIsThatOfWhatIsRead(t *testing.T) {
	server, c := serve(t)
	server.Put("a", "1")
	service := connect(t, c)
	page, err := service.Page(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	server.Put("a", "22")
	text, etag := read(t, service, page.Entries[0])
	again, err := service.Page(t.Context(), "", "")
	if err != nil || text != "22" || etag != again.Entries[0].ETag {
		t.Errorf("read %q with the tag %s, listed %+v, %v", text, etag, again.Entries, err)
	}
}

func TestRefusals(t *testing.T) {
	broken := errors.New("no token today")
	for name, tt := range map[string]struct {
		change func(*buckettest.GCS, *gcs.Config)
		want   error
	}{
		"no such bucket": {func(_ *buckettest.GCS, c *gcs.Config) { c.Bucket = "other" }, bucket.ErrNotFound},
		"nobody":         {func(_ *buckettest.GCS, c *gcs.Config) { c.Token = nil }, bucket.ErrAuth},
		"a wrong token":  {func(s *buckettest.GCS, _ *gcs.Config) { s.Token = "another" }, bucket.ErrAuth},
		"no token": {func(_ *buckettest.GCS, c *gcs.Config) {
			c.Token = func(context.Context) (string, error) { return "", broken }
		}, broken},
		"a login page": {func(s *buckettest.GCS, _ *gcs.Config) { s.Intercept = say(200, "<html>") }, bucket.ErrProtocol},
		"other JSON":   {func(s *buckettest.GCS, _ *gcs.Config) { s.Intercept = say(200, `{"items":[]}`) }, bucket.ErrProtocol},
		"half a page":  {func(s *buckettest.GCS, _ *gcs.Config) { s.Intercept = say(200, `{"kind":"storage#objects","items":[`) }, bucket.ErrProtocol},
		"no name": {func(s *buckettest.GCS, _ *gcs.Config) {
			s.Intercept = say(200, `{"kind":"storage#objects","items":[{"size":"1"}]}`)
		}, bucket.ErrProtocol},
		"far too many": {func(s *buckettest.GCS, _ *gcs.Config) {
			s.Intercept = say(200, `{"kind":"storage#objects","items":[`+strings.Repeat(`{"name":"a","size":"1"},`, 20_000)+`{}]}`)
		}, bucket.ErrTooLarge},
		"no list": {func(s *buckettest.GCS, _ *gcs.Config) {
			s.Intercept = say(200, `{"kind":"storage#objects","items":{"a":1}}`)
		}, bucket.ErrProtocol},
		"endless": {func(s *buckettest.GCS, _ *gcs.Config) {
			s.Intercept = say(200, `{"kind":"`+strings.Repeat("x", 5<<20)+`"}`)
		}, bucket.ErrTooLarge},
		"a redirect": {func(s *buckettest.GCS, _ *gcs.Config) { s.Intercept = say(302, "") }, bucket.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := serve(t)
			tt.change(server, &c)
			_, err := connect(t, c).Page(t.Context(), "", "")
			if !errors.Is(err, tt.want) {
				t.Errorf("the error is %v, want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), "ya29") {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
	server, c := serve(t)
	if _, err := connect(t, c).Open(t.Context(), bucket.Entry{Key: "gone", Version: "1"}); !errors.Is(err, bucket.ErrGone) {
		t.Errorf("an object that is gone: %v", err)
	}
	server.Put("gone", "1")
	server.Delete("gone")
	if _, err := gcs.New(gcs.Config{Bucket: "a/b"}); !errors.Is(err, bucket.ErrName) {
		t.Errorf("a name with a slash: %v", err)
	}
}

func say(status int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		return true
	}
}
