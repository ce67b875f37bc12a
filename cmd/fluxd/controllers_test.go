package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/pkg/api/scheme"
	"github.com/fluxd/fluxd/pkg/kube"
)

// learner returns a daemon that is about to ask an API server, which answers one after the
// other with these codes. 200 has a Flux controller with arguments.
func learner(t *testing.T, args string, codes ...int) (d *daemon, asked func() int) {
	t.Helper()
	t.Setenv("RUNTIME_NAMESPACE", "flux-system")
	count := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/namespaces/flux-system/deployments") {
			http.NotFound(w, r)
			return
		}
		code := codes[min(count, len(codes)-1)]
		count++
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		var body any = map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": map[int]string{403: "Forbidden", 503: "ServiceUnavailable"}[code]}
		if code == http.StatusOK {
			body = map[string]any{
				"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": map[string]any{"resourceVersion": "1"},
				"items": []any{builtWorld(t, nil, args, "").Of("Deployment")[1].Object},
			}
		}
		if err := json.NewEncoder(w).Encode(body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	clients, err := kube.NewClients(&rest.Config{Host: server.URL, Transport: &http.Transport{}, QPS: -1}, scheme.New())
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	return &daemon{options: o, own: o, log: logr.Discard(), clients: clients}, func() int { return count }
}

// The process waits until it knows what the Flux controllers are told, and does not start
// if it may not.
func TestLearn(t *testing.T) {
	d, asked := learner(t, "--no-cross-namespace-refs=true", http.StatusServiceUnavailable, http.StatusOK)
	if err := d.learn(t.Context(), time.Millisecond); err != nil || !d.settings.kustomize.noCrossNamespace || d.settings.helm.noCrossNamespace {
		t.Errorf("error %v", err)
	}
	if asked() < 2 || d.heardVersion != "1" || len(d.heard) != 1 || d.heard[0].Name != api.ComponentKustomize {
		t.Errorf("asked %d times, heard %v", asked(), d.heard)
	}

	d, asked = learner(t, "", http.StatusForbidden, http.StatusForbidden) // at the start it may not have read yet who may what
	if err := d.learn(t.Context(), time.Millisecond); err == nil || !strings.Contains(err.Error(), "--compat-args=false") || asked() != refusals {
		t.Errorf("asked %d times, error %v", asked(), err)
	}
	d.own.preview = true // of somebody who may see less
	if err := d.learn(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}

	d, _ = learner(t, "--no-such-flag", http.StatusOK)
	if err := d.learn(t.Context(), time.Millisecond); err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("error %v", err)
	}

	d, asked = learner(t, "--no-such-flag", http.StatusOK)
	d.options.compatArgs = false
	if err := d.learn(t.Context(), time.Millisecond); err != nil || asked() != 0 {
		t.Errorf("asked %d times, error %v", asked(), err)
	}

	stopped, stop := context.WithCancel(t.Context())
	stop()
	d, _ = learner(t, "", http.StatusServiceUnavailable)
	if err := d.learn(stopped, time.Hour); err == nil {
		t.Error("it goes on although it was told to stop")
	}
}
