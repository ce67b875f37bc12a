package sources

import (
	"strings"
	"testing"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// Checks with nothing new ask the API server for nothing at all, and yet they see a
// Secret that changes, which has no label to be noticed by.
func TestSecretsAreReadWhenTheyChange(t *testing.T) {
	w := newWorld(t)
	s := w.s3(upstream.Security{})
	w.keys()
	w.put(s, files{"config.yaml": configMap("web", "1")})
	for _, name := range []string{"apps", "more"} {
		w.bucket(name, s, "interval: 500ms")
		w.Wait(api.BucketGVR, name, harness.Ready)
	}
	listed := func(n int) func() bool { return func() bool { return len(s.Requests()) >= n } }
	s.Forget()
	w.until("some checks", listed(6)) // those after the first ones read the Secret
	mark := w.Mark()
	s.Forget()
	w.until("further checks", listed(10))
	if requests := w.Requests(mark); len(requests) > 0 {
		t.Errorf("with nothing new the API server was asked for %q", requests)
	}

	w.Patch(world.Secrets, "keys", map[string]any{"stringData": map[string]any{"secretkey": "not-" + password}})
	for _, name := range []string{"apps", "more"} {
		w.Wait(api.BucketGVR, name, harness.Failed("BucketOperationFailed"))
	}
	w.Kubectl("delete", "secret", "keys")
	obj := w.Wait(api.BucketGVR, "apps", harness.Failed(api.ReasonAuthenticationFailed))
	if _, message := world.Condition(obj, "Ready"); !strings.Contains(message, "keys") {
		t.Errorf("the message is %s", message)
	}
	w.keys()
	for _, name := range []string{"apps", "more"} {
		w.Wait(api.BucketGVR, name, harness.Ready)
	}
}
