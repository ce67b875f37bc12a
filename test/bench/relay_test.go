package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func TestRelay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, strings.ToUpper(string(text))+strings.Repeat(".", 100_000))
	}))
	defer server.Close()
	b := &bench{relays: make(map[string]*relay)}
	defer b.close()
	url, err := b.via(server.URL + "/path")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.via(server.URL + "/path"); err != nil || again != url || url == server.URL+"/path" {
		t.Errorf("the way to the same server: %s, then %s, %v", url, again, err)
	}
	var client http.Client
	defer client.CloseIdleConnections()
	for n := int64(1); n <= 2; n++ {
		res, err := client.Post(url, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err != nil || !strings.HasPrefix(string(text), "HELLO.") || len(text) != 100_005 {
			t.Fatalf("%d bytes: %v", len(text), err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if got := b.fetched(); got < n*100_005 || got > n*101_000 {
			t.Errorf("%d bytes were counted after %d answers", got, n)
		}
	}
	if b.apiTraffic() != 0 {
		t.Error("the server is taken for the API server")
	}
}

func TestRelayed(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	b := &bench{dir: t.TempDir(), relays: make(map[string]*relay)}
	defer b.close()
	kubeconfig := filepath.Join(b.dir, "admin")
	if err := os.WriteFile(kubeconfig, []byte(`{"clusters":[{"name":"a","cluster":{"server":"`+server.URL+`"}}],"users":[{"name":"u","user":{"token":"secret"}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := b.relayed(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if config.AuthInfos["u"].Token != "secret" {
		t.Error("the credentials are lost")
	}
	res, err := http.Get(config.Clusters["a"].Server)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b.apiTraffic() == 0 || b.fetched() != 0 {
		t.Errorf("%d bytes to and from the API server, %d from others", b.apiTraffic(), b.fetched())
	}
}
