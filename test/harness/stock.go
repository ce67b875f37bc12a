package harness

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fluxd/fluxd/test/program"
)

// notifier is the controller that the others post their events to.
const notifier = "notification-controller"

// StockControllers are the programs of Flux that [StartStock] starts: all that fluxd
// stands in for, in the order in which they need each other.
var StockControllers = []string{notifier, "source-controller", "kustomize-controller", "helm-controller"}

// Stock is a running Flux: the controllers that fluxd replaces.
type Stock struct {
	options     StockOptions
	addresses   addresses
	controllers []*controller
}

// StockOptions say where the Flux controllers are and how they run.
type StockOptions struct {
	// Bin is the folder of the programs.
	Bin, Kubeconfig string
	// Storage is the host and port that artifacts are served at, as the Service
	// source-controller is in a cluster; a free one if empty.
	Storage string
	// Requeue is how long they wait for what another object has to yield before they look
	// again; as long as in their Deployments if zero.
	Requeue time.Duration
	// Leases has each act only while it holds its Lease, as in a Pod. This needs Linux and
	// the right to make a mount namespace, see [MountNamespaces].
	Leases bool
}

// addresses are those by which the controllers know each other: where events are posted
// to, and where artifacts are, which the status of sources tells for good.
type addresses struct{ events, storage string }

type controller struct {
	name    string
	cmd     *exec.Cmd
	health  string
	metrics string
	output  output
	gauge   gauge
	done    chan struct{}
}

// output is what a program has printed so far.
type output struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write keeps p.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns all that was printed.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// StartStock starts the Flux controllers in bin, all of them, with the flags and the
// environment of their Deployments, but with addresses on loopback and without a
// Lease. What they store goes to folders in dir.
func StartStock(bin, dir, kubeconfig string) (*Stock, error) {
	return StartStockWith(dir, StockOptions{Bin: bin, Kubeconfig: kubeconfig})
}

// StartStockWith is StartStock with more to say.
func StartStockWith(dir string, o StockOptions) (*Stock, error) {
	ports, err := program.FreePorts(2)
	if err != nil {
		return nil, err
	}
	s := &Stock{options: o, addresses: addresses{events: loopback(ports[0]), storage: cmp.Or(o.Storage, loopback(ports[1]))}}
	return s, s.start(dir)
}

// Again starts the controllers anew, after Stop, at the addresses that they had, as a
// Service in a cluster keeps its address. What they store goes to folders in dir.
func (s *Stock) Again(dir string) (*Stock, error) {
	next := &Stock{options: s.options, addresses: s.addresses}
	return next, next.start(dir)
}

func (s *Stock) start(dir string) error {
	for _, name := range StockControllers {
		c, err := s.startController(name, dir)
		if err != nil {
			return errors.Join(err, s.Kill())
		}
		s.controllers = append(s.controllers, c)
	}
	return nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (s *Stock) startController(name, dir string) (*controller, error) {
	c := &controller{name: name, done: make(chan struct{})}
	flags, err := c.flags(dir, s.addresses, s.options)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	temp := filepath.Join(dir, name)
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	c.cmd = exec.Command(filepath.Join(s.options.Bin, name), flags...)
	if s.options.Leases {
		c.cmd = inPod(c.cmd)
	}
	c.cmd.Env = append(os.Environ(), "RUNTIME_NAMESPACE=flux-system", "KUBECONFIG="+s.options.Kubeconfig, "GOMEMLIMIT=1GiB",
		"TMPDIR="+temp, "TUF_ROOT="+filepath.Join(temp, "sigstore"))
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	ended, err := program.Start(c.cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		<-ended // the state says how
		close(c.done)
	}()
	return c, nil
}

// flags are the arguments of a controller: those of its Deployment, and addresses.
func (c *controller) flags(dir string, at addresses, o StockOptions) ([]string, error) {
	ports, err := program.FreePorts(3)
	if err != nil {
		return nil, err
	}
	c.health, c.metrics = loopback(ports[0]), loopback(ports[1])
	flags := []string{
		"--watch-all-namespaces", "--log-level=info", "--log-encoding=json",
		"--health-addr=" + c.health, "--metrics-addr=" + c.metrics,
	}
	if o.Leases {
		flags = append(flags, "--enable-leader-election")
	}
	if c.name == notifier {
		return append(flags, "--events-addr="+at.events, "--receiverAddr="+loopback(ports[2])), nil
	}
	flags = append(flags, "--events-addr=http://"+at.events+"/")
	if o.Requeue > 0 {
		flags = append(flags, "--requeue-dependency="+o.Requeue.String())
	}
	if c.name != "source-controller" {
		return flags, nil
	}
	storage := filepath.Join(dir, "artifacts")
	if err := os.MkdirAll(storage, 0o755); err != nil {
		return nil, err
	}
	return append(flags, "--storage-path="+storage, "--storage-addr="+at.storage, "--storage-adv-addr="+at.storage), nil
}

// Ready waits until all controllers say that they are.
func (s *Stock) Ready(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, c := range s.controllers {
		for !healthy("http://" + c.health + "/readyz") {
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait for %s: %w", c.name, ctx.Err())
			case <-c.done:
				return fmt.Errorf("%s ended with %s:\n%s", c.name, c.cmd.ProcessState, c.output.String())
			case <-tick.C:
			}
		}
	}
	return nil
}

func healthy(url string) bool {
	res, err := http.Get(url)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Metric returns the value of a metric, added up over the controllers and over its series
// that hold all of the given label pairs.
func (s *Stock) Metric(name string, labels ...string) (float64, error) {
	total := 0.0
	for _, c := range s.controllers {
		v, err := metric(c.metrics, name, labels)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", c.name, err)
		}
		total += v
	}
	return total, nil
}

// Output returns what a controller has printed so far.
func (s *Stock) Output(name string) string {
	for _, c := range s.controllers {
		if c.name == name {
			return c.output.String()
		}
	}
	return ""
}

// Usage is what all controllers have used together. The peak is the sum of their
// peaks.
func (s *Stock) Usage() (Usage, error) {
	var sum Usage
	for _, c := range s.controllers {
		u, err := c.gauge.read(c.cmd.Process.Pid)
		if err != nil {
			return sum, err
		}
		sum.add(u)
	}
	return sum, nil
}

// ForgetPeak makes the peak of Usage count from now on.
func (s *Stock) ForgetPeak() error {
	for _, c := range s.controllers {
		if err := c.gauge.forget(c.cmd.Process.Pid); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the controllers, by force if they take too long.
func (s *Stock) Stop(ctx context.Context) error {
	for _, c := range s.controllers {
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	for _, c := range s.controllers {
		select {
		case <-c.done:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("stop %s: %w", c.name, ctx.Err()), s.Kill())
		}
	}
	return nil
}

// Kill ends the controllers without a warning.
func (s *Stock) Kill() error {
	var failures []error
	for _, c := range s.controllers {
		if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			failures = append(failures, fmt.Errorf("kill %s: %w", c.name, err))
		}
		<-c.done
	}
	return errors.Join(failures...)
}
