package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/fluxd/fluxd/test/upstream"
)

// forward returns a handler that passes everything on to a server.
func forward(to string) (http.Handler, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	return httputil.NewSingleHostReverseProxy(u), nil
}

// offer serves the artifact of an ExternalArtifact.
type offer struct {
	*upstream.Door
	mu     sync.Mutex // guards served
	served map[string][]byte
}

func startOffer() (*offer, error) {
	o := &offer{served: make(map[string][]byte)}
	var err error
	o.Door, err = upstream.OpenDoor(o, upstream.Security{})
	return o, err
}

// ServeHTTP implements [http.Handler].
func (o *offer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	content, ok := o.served[r.URL.Path]
	o.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(content) // or the client is gone
}

// offer says in the status of the ExternalArtifact what a controller of it would.
func (f *Fleet) offer(ctx context.Context) error {
	archive, err := upstream.Archive(f.expand(plain("external", f.round, f.plain)))
	if err != nil {
		return err
	}
	path := fmt.Sprintf("externalartifact/%s/fleet/%d.tar.gz", f.Namespace, f.round)
	f.external.mu.Lock()
	f.external.served["/"+path] = archive
	f.external.mu.Unlock()
	now := time.Now().UTC().Format(time.RFC3339)
	status, err := json.Marshal(map[string]any{"status": map[string]any{
		"artifact": map[string]any{
			"digest": "sha256:" + upstream.Digest(archive), "path": path, "url": f.external.URL + "/" + path,
			"revision": fmt.Sprint("round@", f.round), "lastUpdateTime": now, "size": len(archive),
		},
		"conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored", "lastTransitionTime": now,
		}},
	}})
	if err != nil {
		return err
	}
	_, err = f.Cluster.Kubectl(ctx, "-n", f.Namespace, "patch", "externalartifact", "fleet", "--subresource=status", "--type=merge", "-p", string(status))
	return err
}
