package e2e

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxd/fluxd/pkg/api"
	"github.com/fluxd/fluxd/test/harness"
)

// troubled says how long answers go wrong: the time that the variable names, such as 10m,
// or a minute.
func troubled(t *testing.T) time.Duration {
	text := os.Getenv("FLUXD_TROUBLE_FOR")
	if text == "" {
		return time.Minute
	}
	long, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("FLUXD_TROUBLE_FOR: %v", err)
	}
	return long
}

// complaints notes what the Ready conditions of a kind say as long as it is not that all
// is well. The function that it returns ends that and tells.
func (f *fleet) complaints(kinds ...schema.GroupVersionResource) func() []string {
	ctx, cancel := context.WithCancel(f.t.Context())
	f.t.Cleanup(cancel)
	var mu sync.Mutex
	said := map[string]struct{}{}
	var watches sync.WaitGroup
	for _, gvr := range kinds {
		watches.Go(func() {
			for ctx.Err() == nil {
				w, err := f.Dynamic.Resource(gvr).Namespace(f.namespace).Watch(ctx, metav1.ListOptions{})
				if err != nil {
					continue
				}
				for event := range w.ResultChan() {
					obj, ok := event.Object.(*unstructured.Unstructured)
					if !ok {
						continue
					}
					if status, message := condition(obj, "Ready"); status != "" && !strings.HasPrefix(status, "True/") {
						mu.Lock()
						said[status+": "+message] = struct{}{}
						mu.Unlock()
					}
				}
			}
		})
	}
	return func() []string {
		cancel()
		watches.Wait()
		return slices.Sorted(maps.Keys(said))
	}
}

// Bounds of what the daemon may do while answers go wrong, far above what it does: it is
// about loops without a pause and about what is never given back.
const (
	mostRequests = 3000 // a minute
	mostMemory   = 120 << 20
)

// While three of ten answers of the API server go wrong, for whatever reason, installs and
// upgrades go on, drift is reverted, and conditions tell what is wrong. Afterwards
// everything is as it would be without that.
func TestThirtyPercentOfAnswersGoWrong(t *testing.T) {
	long := troubled(t)
	f := newFleet(newOwnWorld(t, nil), 6, 4)
	said := f.complaints(harness.Kustomized, api.HelmReleaseGVR, harness.Sources)
	trouble := newTrouble(0.3, 1)
	f.gate.disturb(trouble)
	f.start()
	f.install()
	began := time.Now()
	upgrade, drift := time.NewTicker(15*time.Second), time.NewTicker(time.Second)
	defer upgrade.Stop()
	defer drift.Stop()
	for over := time.After(long); over != nil; {
		select {
		case <-over:
			over = nil
		case <-upgrade.C:
			f.next()
		case <-drift.C:
			f.drift()
		}
	}
	f.next()
	f.gate.disturb(nil)
	minutes := time.Since(began).Minutes()
	requests, calls := trouble.seen()
	usage, err := f.daemon.Usage()
	if err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	f.converges(4 * patience)
	t.Logf("%d generations; %.0f requests a minute: %s; at most %d MiB resident; all was well %s after the last fault",
		f.generation, float64(requests)/minutes, calls, usage.Peak>>20, time.Since(ended).Round(time.Millisecond))
	f.exact()
	f.goes(newTrouble(0.3, 2))
	if rate := float64(requests) / minutes; rate > mostRequests {
		t.Errorf("%.0f requests a minute, which looks like a loop without a pause", rate)
	}
	if usage.Peak > mostMemory {
		t.Errorf("%d MiB resident", usage.Peak>>20)
	}
	messages := said()
	if !slices.ContainsFunc(messages, func(m string) bool { return strings.Contains(m, injected) }) {
		t.Errorf("no condition tells what is wrong: %q", messages)
	}
	for _, m := range messages {
		if strings.Contains(m, "Helm install failed") || strings.Contains(m, "Helm upgrade failed") {
			t.Errorf("the API server is unwell, and the release is said to be: %s", m)
		}
	}
	t.Logf("conditions said:\n%s", strings.Join(messages, "\n"))
}
