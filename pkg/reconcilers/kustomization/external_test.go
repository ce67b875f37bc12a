package kustomization

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/api"
	v1 "github.com/fluxd/fluxd/pkg/api/kustomize/v1"
	sourcev1 "github.com/fluxd/fluxd/pkg/api/source/v1"
	"github.com/fluxd/fluxd/pkg/artifacts"
	"github.com/fluxd/fluxd/pkg/fault"
	"github.com/fluxd/fluxd/pkg/sources/external"
	"github.com/fluxd/fluxd/pkg/transport"
)

// provider is somebody who offers artifacts.
type provider struct {
	*world
	url    string
	status atomic.Int64 // what is answered instead, if not 0
	data   atomic.Pointer[[]byte]
	woken  chan artifacts.Owner
}

func newProvider(t *testing.T) *provider {
	p := &provider{world: newWorld(t), woken: make(chan artifacts.Owner, 10)}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if status := p.status.Load(); status != 0 {
			rw.WriteHeader(int(status))
			return
		}
		_, _ = rw.Write(*p.data.Load())
	}))
	t.Cleanup(server.Close)
	p.url = server.URL + "/app.tar.gz"
	fetcher := external.New(external.Config{
		Store: p.store, Hosts: transport.NewHosts(), Retries: 9, Wake: func(o artifacts.Owner) { p.woken <- o },
	})
	t.Cleanup(fetcher.Close)
	p.r.options.Externals = fetcher
	p.ks.Spec.SourceRef = v1.CrossNamespaceSourceReference{Kind: api.ExternalArtifactKind, Name: "made-elsewhere"}
	p.foreign = &sourcev1.ExternalArtifact{}
	return p
}

// offer makes files the artifact.
func (p *provider) offer(revision string, files map[string]string) {
	p.t.Helper()
	other, err := artifacts.New(artifacts.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	b := other.NewBuilder(artifacts.Limits{})
	for name, content := range files {
		if err := b.AddFile(name, 0o644, []byte(content)); err != nil {
			p.t.Fatal(err)
		}
	}
	tree, _, err := b.Build()
	if err != nil {
		p.t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := tree.WriteTarGz(&archive); err != nil {
		p.t.Fatal(err)
	}
	data, sum := archive.Bytes(), sha512.Sum512(archive.Bytes())
	p.data.Store(&data)
	size := int64(len(data))
	p.foreign = p.foreign.DeepCopy()
	p.foreign.Status.Artifact = &api.Artifact{URL: p.url, Revision: revision, Digest: "sha512:" + hex.EncodeToString(sum[:]), Size: &size}
}

// obtained runs the object, waits until its artifact has come or not, and runs it
// again as somebody who was woken.
func (p *provider) obtained() error {
	p.t.Helper()
	_, _ = p.once()
	if got, want := (<-p.woken).String(), "externalartifact/flux-system/made-elsewhere"; got != want {
		p.t.Errorf("woken: %s, want %s", got, want)
	}
	_, err := p.run()
	return err
}

func TestExternalArtifact(t *testing.T) {
	p := newProvider(t)
	p.offer("latest@sha256:1", map[string]string{"app/a.json": object("ConfigMap", "a", "1")})
	if err := p.obtained(); err != nil {
		t.Fatal(err)
	}
	p.want("ready", p.condition(api.ConditionReady), "True/ReconciliationSucceeded: Applied revision: latest@sha256:1")

	// A new revision is on its way: what is applied stays Ready until it has come.
	p.offer("latest@sha256:2", map[string]string{"app/a.json": object("ConfigMap", "a", "2")})
	saved := p.saved
	_, _ = p.once()
	p.want("writes while it comes", p.saved-saved, 0)
	<-p.woken
	if _, err := p.run(); err != nil {
		t.Fatal(err)
	}
	p.want("ready", p.condition(api.ConditionReady), "True/ReconciliationSucceeded: Applied revision: latest@sha256:2")
}

func TestExternalArtifactThatDoesNotCome(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*provider)
		ready  string
	}{
		"not there": {
			func(p *provider) { p.status.Store(http.StatusNotFound) },
			"False/ArtifactFailed: Source is not ready, artifact not found, retrying in 30s",
		},
		"not what was promised": {
			func(p *provider) { p.foreign.Status.Artifact.Digest = "sha512:" + strings.Repeat("0", 128) },
			"False/ArtifactFailed: fetch the artifact URL: the digest does not match",
		},
		"a digest that nobody knows": {
			func(p *provider) { p.foreign.Status.Artifact.Digest = "blake3:00" },
			"False/ArtifactFailed: invalid artifact: its digest is none of sha256, sha384, sha512",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.offer("r1", map[string]string{"app/a.json": object("ConfigMap", "a", "1")})
			c.change(p)
			if !strings.Contains(name, "nobody knows") {
				_ = p.obtained()
			} else if _, err := p.run(); err == nil {
				t.Fatal("no error")
			}
			p.want("ready", strings.ReplaceAll(p.condition(api.ConditionReady), p.url, "URL"), c.ready)
			p.want("builds", p.folder.builds, 0)
		})
	}
}

// A server that fails may be back before anybody has to know.
func TestExternalArtifactThatMayStillCome(t *testing.T) {
	p := newProvider(t)
	p.offer("r1", map[string]string{"app/a.json": object("ConfigMap", "a", "1")})
	p.status.Store(http.StatusServiceUnavailable)
	err := p.obtained()
	waiting, ok := errors.AsType[*fault.WaitingError](err)
	if !ok || !waiting.KeepReady || !waiting.Quiet || waiting.After <= 0 || waiting.After > 5*time.Second {
		t.Errorf("got %#v", err)
	}
	p.want("error", strings.ReplaceAll(err.Error(), p.url, "URL"), "fetch the artifact URL: the server answered 503 Service Unavailable")
}
