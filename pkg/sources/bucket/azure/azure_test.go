package azure_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxd/fluxd/pkg/sources/bucket"
	"github.com/fluxd/fluxd/pkg/sources/bucket/azure"
	"github.com/fluxd/fluxd/pkg/sources/bucket/buckettest"
)

const (
	key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	sas = "?sv=2021-12-02&sp=rl&sig=s%2Fgn%2Bature%3D"
)

func token(context.Context) (string, error) { return "eyJ.token", nil }

func serve(t *testing.T) (*buckettest.Azure, azure.Config) {
	server := buckettest.NewAzure(true)
	t.Cleanup(server.Server.Close)
	server.Key, server.Token, server.SAS = key, "eyJ.token", "s/gn+ature="
	return server, azure.Config{
		Endpoint: server.Endpoint(), Container: server.Container, Transport: server.Server.Client().Transport,
	}
}

func connect(t *testing.T, c azure.Config) *azure.Service {
	t.Helper()
	service, err := azure.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return service
}

func TestReading(t *testing.T) {
	for name, authorize := range map[string]func(*azure.Config){
		"with the key of the account":     func(c *azure.Config) { c.Key = key + "\n" },
		"with a shared access signature":  func(c *azure.Config) { c.SAS = sas },
		"with a signature without its ?":  func(c *azure.Config) { c.SAS = sas[1:] },
		"with a signature in the URL":     func(c *azure.Config) { c.Endpoint += sas },
		"with a signature over the URL's": func(c *azure.Config) { c.Endpoint += "?sig=old&x=y"; c.SAS = sas },
		"with a token":                    func(c *azure.Config) { c.Token = token },
		"and a slash at the end":          func(c *azure.Config) { c.Endpoint += "/"; c.Key = key },
	} {
		t.Run(name, func(t *testing.T) {
			server, c := serve(t)
			server.PageSize, server.Directories = 2, []string{"dir"}
			want := map[string]string{"a": "1", "dir/b c+d": "2", "dir//e": "3", "ü?x=%20#": "4", "odd\x01%41": "5"}
			for key, content := range want {
				server.Put(key, content)
			}
			authorize(&c)
			if diff := cmp.Diff(want, readAll(t, connect(t, c))); diff != "" {
				t.Error(diff)
			}
			if why := server.Refused(); len(why) > 0 {
				t.Errorf("requests were refused: %v", why)
			}
		})
	}
}

// readAll reads all blobs, whose tags must be those that are listed.
func readAll(t *testing.T, service *azure.Service) map[string]string {
	t.Helper()
	got := map[string]string{}
	for next, first := "", true; first || next != ""; first = false {
		page, err := service.Page(t.Context(), "", next)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			content, err := service.Open(t.Context(), e)
			if err != nil {
				t.Fatalf("open %q: %v", e.Key, err)
			}
			text, err := io.ReadAll(content)
			_ = content.Close()
			got[e.Key] = string(text)
			if err != nil || content.ETag != e.ETag || !strings.HasPrefix(e.ETag, `"0x`) || e.Size != 1 {
				t.Errorf("listed %+v, read with the tag %s and %v", e, content.ETag, err)
			}
		}
		next = page.Next
	}
	return got
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*buckettest.Azure, *azure.Config)
		want   error
	}{
		"no such container": {func(_ *buckettest.Azure, c *azure.Config) { c.Container = "other" }, bucket.ErrNotFound},
		"nobody":            {func(_ *buckettest.Azure, c *azure.Config) { c.Key = "" }, bucket.ErrAuth},
		"a wrong key":       {func(s *buckettest.Azure, _ *azure.Config) { s.Key = "AAAA" }, bucket.ErrAuth},
		"a wrong token": {func(s *buckettest.Azure, c *azure.Config) {
			s.Token, c.Key, c.Token = "another", "", token
		}, bucket.ErrAuth},
		"a wrong signature": {func(s *buckettest.Azure, c *azure.Config) {
			s.SAS, c.Key, c.SAS = "another", "", sas
		}, bucket.ErrAuth},
		"a clock that is off": {func(_ *buckettest.Azure, c *azure.Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Hour) }
		}, bucket.ErrAuth},
		"a login page": {func(s *buckettest.Azure, _ *azure.Config) { s.Intercept = say(200, "<html></html>") }, bucket.ErrProtocol},
		"half a page":  {func(s *buckettest.Azure, _ *azure.Config) { s.Intercept = say(200, "<EnumerationResults><Blobs>") }, bucket.ErrProtocol},
		"a blob without name": {func(s *buckettest.Azure, _ *azure.Config) {
			s.Intercept = say(200, "<EnumerationResults><Blobs><Blob></Blob></Blobs></EnumerationResults>")
		}, bucket.ErrProtocol},
		"a redirect": {func(s *buckettest.Azure, _ *azure.Config) { s.Intercept = say(302, "") }, bucket.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			server, c := serve(t)
			c.Key = key
			tt.change(server, &c)
			_, err := connect(t, c).Page(t.Context(), "", "")
			if !errors.Is(err, tt.want) {
				t.Errorf("the error is %v, want %v", err, tt.want)
			}
			for _, secret := range []string{key, "s/gn", "s%2Fgn", "eyJ."} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
		})
	}
}

func TestABlobThatIsGone(t *testing.T) {
	_, c := serve(t)
	c.Key = key
	if _, err := connect(t, c).Open(t.Context(), bucket.Entry{Key: "gone"}); !errors.Is(err, bucket.ErrGone) {
		t.Errorf("the error is %v", err)
	}
}

// TestSecretsOfAStoreThatEchoes has a server that repeats what it was sent.
func TestSecretsOfAStoreThatEchoes(t *testing.T) {
	server, c := serve(t)
	c.SAS = sas
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "<Error><Code>Bad</Code><Message>you sent "+url.QueryEscape(r.URL.Query().Get("sig"))+
			" and "+r.URL.Query().Get("sig")+"</Message></Error>")
		return true
	}
	_, err := connect(t, c).Page(t.Context(), "", "")
	if err == nil || !strings.Contains(err.Error(), "you sent ***** and *****") {
		t.Errorf("the error is %v", err)
	}
}

func TestUnusableConfigurations(t *testing.T) {
	for name, tt := range map[string]struct {
		config azure.Config
		want   error
	}{
		"no URL":                   {azure.Config{Endpoint: "fluxd.blob.core.windows.net", Container: "apps"}, bucket.ErrEndpoint},
		"another scheme":           {azure.Config{Endpoint: "ftp://fluxd.blob.core.windows.net", Container: "apps"}, bucket.ErrEndpoint},
		"credentials in the URL":   {azure.Config{Endpoint: "https://u:p@fluxd.blob.core.windows.net", Container: "apps"}, bucket.ErrEndpoint},
		"no container":             {azure.Config{Endpoint: "https://fluxd.blob.core.windows.net", Container: ""}, bucket.ErrName},
		"a path for a container":   {azure.Config{Endpoint: "https://fluxd.blob.core.windows.net", Container: "a/../b"}, bucket.ErrName},
		"a key without an account": {azure.Config{Endpoint: "https://localhost", Container: "apps", Key: key}, bucket.ErrEndpoint},
		"a key of two labels":      {azure.Config{Endpoint: "https://core.net", Container: "apps", Key: key}, bucket.ErrEndpoint},
		"a key that is none":       {azure.Config{Endpoint: "https://fluxd.blob.core.windows.net", Container: "apps", Key: "!"}, bucket.ErrCredentials},
		"a signature that is none": {azure.Config{Endpoint: "https://fluxd.blob.core.windows.net", Container: "apps", SAS: "%zz;"}, bucket.ErrCredentials},
		"a token in the clear":     {azure.Config{Endpoint: "http://fluxd.blob.core.windows.net", Container: "apps", Token: token}, bucket.ErrEndpoint},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := azure.New(tt.config)
			if !errors.Is(err, tt.want) {
				t.Errorf("the error is %v, want %v", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "%zz") || strings.Contains(err.Error(), ":p@")) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestContainerNames(t *testing.T) {
	for name, want := range map[string]bool{
		"apps": true, "a-b-c": true, "$root": true, "ab": false, "A-b": false, "-ab": false, "ab-": false, "a--b": false,
		"$other": false, strings.Repeat("a", 63): true, strings.Repeat("a", 64): false, "a/b": false, "äbc": false,
	} {
		_, err := azure.New(azure.Config{Endpoint: "https://fluxd.blob.core.windows.net", Container: name})
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func say(status int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		return true
	}
}
