package signature_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/sources/signature"
	"github.com/fluxd/fluxd/pkg/sources/signature/signaturetest"
	"github.com/fluxd/fluxd/pkg/transport"
)

// publicWorld is a public instance and who knows it.
type publicWorld struct {
	instance *signaturetest.Sigstore
	mirror   *signaturetest.Mirror
	now      time.Time
	options  signature.PublicOptions
}

func newPublic(t *testing.T) *publicWorld {
	t.Helper()
	w := &publicWorld{now: time.Now()}
	w.instance = signaturetest.NewSigstore(w.now)
	w.mirror = signaturetest.NewMirror(signaturetest.JSON(w.instance.Root()), w.now.Add(7*24*time.Hour))
	t.Cleanup(w.mirror.Server.Close)
	w.options = signature.PublicOptions{
		Transport: transport.NewHosts().Transport(transport.Options{}), Mirror: w.mirror.Server.URL,
		Anchor: w.mirror.Anchor, Now: func() time.Time { return w.now },
	}
	return w
}

func TestPublic(t *testing.T) {
	w := newPublic(t)
	public := signature.NewPublic(w.options)
	root, err := public.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := signature.CosignKeyless(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	store := newStore().bundle(digest, w.instance.Signer(issuer, person, signaturetest.Options{}).SignBundle(digest))
	if _, err := verifier.Verify(t.Context(), store, subject); err != nil {
		t.Error(err)
	}
	if w.mirror.Requests() == 0 {
		t.Error("nobody was asked")
	}
	if again, err := public.Root(t.Context()); err != nil || again != root || w.mirror.Requests() > 0 {
		t.Errorf("what is known is asked for again: %v", err)
	}
	w.now = w.now.Add(25 * time.Hour)
	w.mirror.Break(true)
	if again, err := public.Root(t.Context()); err != nil || again != root || w.mirror.Requests() == 0 {
		t.Errorf("what was known does not serve while the mirror is broken: %v", err)
	}
}

func TestPublicFails(t *testing.T) {
	w := newPublic(t)
	w.mirror.Break(true)
	public := signature.NewPublic(w.options)
	for i, wait := range []time.Duration{0, time.Second, time.Minute} {
		w.now = w.now.Add(wait)
		if _, err := public.Root(t.Context()); err == nil {
			t.Fatal("a broken mirror gave a root")
		}
		if asked := w.mirror.Requests() > 0; asked != (wait != time.Second) {
			t.Errorf("try %d: asked %v", i, asked)
		}
	}
	w.mirror.Break(false)
	w.now = w.now.Add(time.Minute)
	if _, err := public.Root(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPublicIsNotBelieved(t *testing.T) {
	for name, spoil := range map[string]func(*publicWorld){
		"another anchor": func(w *publicWorld) { w.options.Anchor = signaturetest.NewMirror(nil, w.now).Anchor },
		"another file":   func(w *publicWorld) { w.mirror.Spoil() },
		"expired": func(w *publicWorld) {
			w.mirror.Publish(signaturetest.JSON(w.instance.Root()), w.now.Add(-time.Hour))
		},
		"not a root": func(w *publicWorld) { w.mirror.Publish([]byte("{}"), w.now.Add(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newPublic(t)
			spoil(w)
			if _, err := signature.NewPublic(w.options).Root(t.Context()); err == nil {
				t.Error("it was believed")
			}
		})
	}
}

func TestPublicWithoutANetwork(t *testing.T) {
	w := newPublic(t)
	w.options.Dir = t.TempDir()
	if _, err := signature.NewPublic(w.options).Root(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.mirror.Break(true)
	if _, err := signature.NewPublic(w.options).Root(t.Context()); err != nil {
		t.Errorf("what was kept does not serve: %v", err)
	}
}

func TestPublicIsCancelled(t *testing.T) {
	w := newPublic(t)
	public := signature.NewPublic(w.options)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := public.Root(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := public.Root(t.Context()); err != nil {
		t.Errorf("what was cancelled counts as a failure: %v", err)
	}
}
