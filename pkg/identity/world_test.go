package identity_test

import (
	"os"
	"testing"
	"time"

	"github.com/fluxd/fluxd/pkg/identity"
	"github.com/fluxd/fluxd/pkg/identity/identitytest"
)

// now is when the tests take place.
var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// world is a process in the clouds.
type world struct {
	*identity.Clouds
	fake  *identitytest.Clouds
	env   map[string]string
	files map[string]string
	// clock is now, but for the tests that move it.
	clock time.Time
}

// newWorld returns a process with an empty environment, whose cache holds ten.
func newWorld(t *testing.T, change ...func(*identity.Options)) *world {
	w := &world{fake: identitytest.New(t), env: map[string]string{}, files: map[string]string{}, clock: now}
	w.fake.Now = func() time.Time { return w.clock }
	o := identity.Options{
		Accounts: w.fake, ObjectLevel: true, CacheSize: 10, Transport: w.fake.Transport,
		Now: func() time.Time { return w.clock },
		Env: func(name string) string { return w.env[name] },
		ReadFile: func(name string) ([]byte, error) {
			content, ok := w.files[name]
			if !ok {
				return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
			}
			return []byte(content), nil
		},
	}
	for _, f := range change {
		f(&o)
	}
	w.Clouds = identity.New(o)
	return w
}

// account creates a ServiceAccount apps/sa and returns a request by it.
func (w *world) account(p identity.Provider, annotations map[string]string) identity.Request {
	w.fake.Annotations["apps/sa"] = annotations
	return identity.Request{Provider: p, Namespace: "apps", ServiceAccount: "sa"}
}
