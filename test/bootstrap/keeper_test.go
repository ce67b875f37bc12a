package bootstrap

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxd/fluxd/test/harness"
)

// keeper runs the daemon as the Deployment fluxd says, one process at a time.
type keeper struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex // guards the fields below
	daemon  *harness.Daemon
	args    []string
	started int
	deaf    bool     // the process stays, whatever becomes of the Deployment
	logs    []string // of those that have ended
}

// newKeeper starts to watch the Deployment. It ends with the test.
func newKeeper(t *testing.T) *keeper {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{t: t, cancel: cancel, done: make(chan struct{})}
	go k.run(ctx)
	t.Cleanup(func() {
		cancel()
		<-k.done
		if t.Failed() {
			t.Logf("the log of fluxd:\n%s", strings.Join(k.log(), "\n"))
		}
	})
	return k
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	defer k.replace(nil)
	for ctx.Err() == nil {
		_, _ = cluster.Wait(ctx, harness.Deployments, namespace, "fluxd", func(obj *unstructured.Unstructured) bool {
			return !reflect.DeepEqual(arguments(obj), k.current())
		})
		if ctx.Err() != nil || k.isDeaf() {
			return
		}
		obj, err := cluster.Dynamic.Resource(harness.Deployments).Namespace(namespace).Get(ctx, "fluxd", getOptions)
		if err != nil {
			obj = nil
		}
		k.replace(arguments(obj))
	}
}

// arguments returns those of the container, nil if it is not to run.
func arguments(obj *unstructured.Unstructured) []string {
	if obj == nil || obj.GetDeletionTimestamp() != nil {
		return nil
	}
	if replicas, _, _ := unstructured.NestedInt64(obj.Object, "spec", "replicas"); replicas == 0 {
		return nil
	}
	containers, _, _ := unstructured.NestedSlice(obj.Object, "spec", "template", "spec", "containers")
	args, _, _ := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
	return args
}

func (k *keeper) current() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.args
}

func (k *keeper) isDeaf() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.deaf
}

// replace ends the process, and starts another one unless args is nil.
func (k *keeper) replace(args []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(args)
}

// put is replace while mu is held.
func (k *keeper) put(args []string) {
	if k.deaf {
		return
	}
	if k.daemon != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := k.daemon.Stop(ctx); err != nil {
			k.t.Errorf("the daemon did not end in good order: %v", err)
		}
		k.logs = append(k.logs, k.daemon.Logs()...)
	}
	k.args, k.daemon = args, nil
	if args == nil {
		return
	}
	flags := []string{
		"--min-retry-delay=200ms", "--leader-election-lease-duration=3s", "--leader-election-renew-deadline=2s", "--leader-election-retry-period=200ms",
	}
	for _, arg := range args {
		if !strings.HasPrefix(arg, "--cache-dir") && !strings.Contains(arg, "$(") {
			flags = append(flags, arg)
		}
	}
	var err error
	if k.daemon, err = harness.Start(binary, credentials, flags...); err != nil {
		k.t.Error(err)
		return
	}
	k.started++
	go k.again(k.daemon)
}

// again starts another process, as the kubelet does, when one has ended by itself.
func (k *keeper) again(d *harness.Daemon) {
	_, _ = d.Ended(context.Background()) // how it ended is in its log
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.daemon == d {
		k.put(k.args)
	}
}

// keepOn leaves the process that runs alone until end is called.
func (k *keeper) keepOn() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deaf = true
}

// end ends the process that was left alone.
func (k *keeper) end() {
	k.mu.Lock()
	k.deaf = false
	k.mu.Unlock()
	k.replace(nil)
}

// log returns the lines of all processes.
func (k *keeper) log() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.daemon == nil {
		return k.logs
	}
	return append(append([]string(nil), k.logs...), k.daemon.Logs()...)
}

// processes returns how many were started.
func (k *keeper) processes() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.started
}
