package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
	"github.com/fluxd/fluxd/pkg/sources/bucket/buckettest"
	"github.com/fluxd/fluxd/pkg/sources/bucket/s3"
)

const secret = "wJalrXUtnFEMI/K7MDENG"

func serve(t *testing.T) *buckettest.S3 {
	server := buckettest.NewS3(false)
	t.Cleanup(server.Server.Close)
	server.Access, server.Secret = "AKIA", secret
	return server
}

func config(server *buckettest.S3) s3.Config {
	return s3.Config{
		Endpoint: server.Endpoint(), Insecure: true, Bucket: server.Bucket,
		Credentials: s3.Fixed(s3.Keys{Access: server.Access, Secret: server.Secret, Token: server.Token}),
		Transport:   server.Server.Client().Transport,
	}
}

func connect(t *testing.T, c s3.Config) *s3.Service {
	t.Helper()
	service, err := s3.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func TestStrangeKeys(t *testing.T) {
	server := serve(t)
	keys := []string{"a b.yaml", "a+b", "dir//twice", "dir/./dot", "ü/ö", "with\nline", "per%20cent", "q?x=1&y", "#hash", "<&>", "tab\t", "x=y:z@"}
	for _, key := range keys {
		server.Put(key, "content of "+key)
	}
	server.PageSize = 5
	service := connect(t, config(server))
	got := map[string]string{}
	for token, pages := "", 0; ; pages++ {
		page, err := service.Page(t.Context(), "", token)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			content, err := service.Open(t.Context(), e)
			if err != nil {
				t.Fatalf("open %q: %v", e.Key, err)
			}
			text, err := io.ReadAll(content)
			if err != nil || content.ETag != e.ETag || int64(len(text)) != e.Size {
				t.Errorf("%q: read %q and %v, tag %s, listed %+v", e.Key, text, err, content.ETag, e)
			}
			_ = content.Close()
			got[e.Key] = string(text)
		}
		if token = page.Next; token == "" {
			if pages != 2 {
				t.Errorf("the listing had %d pages, want 3", pages+1)
			}
			break
		}
	}
	want := map[string]string{}
	for _, key := range keys {
		want[key] = "content of " + key
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if why := server.Refused(); len(why) > 0 {
		t.Errorf("requests were refused: %v", why)
	}
}

// refusals are the ways in which a store says no.
func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*buckettest.S3, *s3.Config)
		want   error
	}{
		"no such bucket":   {func(_ *buckettest.S3, c *s3.Config) { c.Bucket = "other" }, bucket.ErrNotFound},
		"a wrong secret":   {func(s *buckettest.S3, _ *s3.Config) { s.Secret = "another" }, bucket.ErrAuth},
		"an unknown key":   {func(s *buckettest.S3, _ *s3.Config) { s.Access = "AKIB" }, bucket.ErrAuth},
		"nobody":           {func(_ *buckettest.S3, c *s3.Config) { c.Credentials = nil }, bucket.ErrAuth},
		"an expired token": {func(s *buckettest.S3, _ *s3.Config) { s.Token = "new" }, bucket.ErrAuth},
		"a clock that is off": {func(_ *buckettest.S3, c *s3.Config) {
			c.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		}, bucket.ErrAuth},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			c := config(server)
			tt.change(server, &c)
			_, err := connect(t, c).Page(t.Context(), "", "")
			if !errors.Is(err, tt.want) {
				t.Errorf("the error is %v, want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestAnObjectThatIsGone(t *testing.T) {
	server := serve(t)
	_, err := connect(t, config(server)).Open(t.Context(), bucket.Entry{Key: "gone"})
	if !errors.Is(err, bucket.ErrGone) {
		t.Errorf("the error is %v", err)
	}
}

func TestTheRegionIsLearned(t *testing.T) {
	server := serve(t)
	server.Region = "eu-west-1"
	server.Put("a", "a")
	service := connect(t, config(server))
	for range 2 {
		if _, err := service.Page(t.Context(), "", ""); err != nil {
			t.Fatal(err)
		}
	}
	if why := server.Refused(); len(why) != 1 {
		t.Errorf("refused: %v, want once", why)
	}
}

// answers are what a server may say instead of a listing.
func TestUnexpectedAnswers(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	t.Cleanup(elsewhere.Close)
	const head = `<ListBucketResult><IsTruncated>`
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"a login page":               {say(200, "<!doctype html><html><body>Log in to the wifi</body></html>"), bucket.ErrProtocol},
		"nothing":                    {say(200, ""), bucket.ErrProtocol},
		"JSON":                       {say(200, `{"a": 1}`), bucket.ErrProtocol},
		"half a listing":             {say(200, head+`false</IsTruncated><Contents><Key>a`), bucket.ErrProtocol},
		"an error with 200":          {say(200, "<Error><Code>InternalError</Code></Error>"), bucket.ErrProtocol},
		"no token":                   {say(200, head+`true</IsTruncated></ListBucketResult>`), bucket.ErrProtocol},
		"an object without key":      {say(200, head+`false</IsTruncated><Contents><Size>1</Size></Contents></ListBucketResult>`), bucket.ErrProtocol},
		"a negative size":            {say(200, head+`false</IsTruncated><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>`), bucket.ErrProtocol},
		"an ill-escaped key":         {say(200, head+`false</IsTruncated><EncodingType>url</EncodingType><Contents><Key>%zz</Key></Contents></ListBucketResult>`), bucket.ErrProtocol},
		"an endless page":            {endless, bucket.ErrTooLarge},
		"a deep page":                {say(200, head+strings.Repeat("<a>", 1<<20)), bucket.ErrTooLarge},
		"a tag of many attributes":   {say(200, "<ListBucketResult "+strings.Repeat(`a=">" `, 1<<19)+"/>"), bucket.ErrTooLarge},
		"a redirect":                 {http.RedirectHandler(elsewhere.URL+"/?token=hidden", http.StatusTemporaryRedirect).ServeHTTP, bucket.ErrProtocol},
		"a redirect to nowhere":      {say(301, ""), bucket.ErrProtocol},
		"a proxy that wants a login": {say(407, "<html>secret?</html>"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				tt.answer(w, r)
				return true
			}
			_, err := connect(t, config(server)).Page(t.Context(), "", "")
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("the error is %v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("the error shows a query string: %v", err)
			}
		})
	}
}

func say(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func endless(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "<ListBucketResult>")
	for {
		if _, err := io.WriteString(w, "<Contents><Key>"+strings.Repeat("a", 1000)+"</Key></Contents>"); err != nil {
			return
		}
	}
}

func TestAPassingFailureIsTriedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		failures, requests int
		ok                 bool
	}{
		"twice":   {2, 3, true},
		"forever": {100, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			requests := 0
			server.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
				if requests++; requests > tt.failures {
					return false
				}
				say(503, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")(w, nil)
				return true
			}
			_, err := connect(t, config(server)).Page(t.Context(), "", "")
			if (err == nil) != tt.ok || requests != tt.requests {
				t.Errorf("the error is %v after %d requests", err, requests)
			}
		})
	}
}

func TestAHangingServerIsLeft(t *testing.T) {
	server := serve(t)
	server.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := connect(t, config(server)).Page(ctx, "", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

func TestLDAP(t *testing.T) {
	server := serve(t)
	server.Token = "session"
	server.Directory = map[string]string{"jane": "s3cr3t pass"}
	server.Put("a", "a")
	login := s3.LDAP{
		Endpoint: server.Server.URL, Username: "jane", Password: "s3cr3t pass",
		Transport: server.Server.Client().Transport,
	}
	c := config(server)
	c.Credentials = login.Credentials()
	logins := 0
	server.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			logins++
		}
		return false
	}
	service := connect(t, c)
	for range 3 {
		if _, err := service.Page(t.Context(), "", ""); err != nil {
			t.Fatal(err)
		}
	}
	if logins != 1 {
		t.Errorf("there were %d logins, want 1", logins)
	}
	login.Password = "wrong pass"
	_, err := login.Credentials()(t.Context())
	if !errors.Is(err, bucket.ErrAuth) || strings.Contains(fmt.Sprint(err), "wrong pass") {
		t.Errorf("the error is %v", err)
	}
}
