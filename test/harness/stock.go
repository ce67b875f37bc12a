package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	bin, kubeconfig string
	addresses       addresses
	controllers     []*controller
}

// addresses are those by which the controllers know each other: where events are posted
// to, and where artifacts are, which the status of sources tells for good.
type addresses struct{ events, storage string }

type controller struct {
	name   string
	cmd    *exec.Cmd
	health string
	output bytes.Buffer
	gauge  gauge
	done   chan struct{}
}

// StartStock starts the Flux controllers in bin, all of them, with the flags and the
// environment of their Deployments, but with addresses on loopback and without a
// Lease, which they can hold in a Pod only. What they store goes to folders in dir.
func StartStock(bin, dir, kubeconfig string) (*Stock, error) {
	ports, err := program.FreePorts(2)
	if err != nil {
		return nil, err
	}
	s := &Stock{bin: bin, kubeconfig: kubeconfig, addresses: addresses{events: loopback(ports[0]), storage: loopback(ports[1])}}
	return s, s.start(dir)
}

// Again starts the controllers anew, after Stop, at the addresses that they had, as a
// Service in a cluster keeps its address. What they store goes to folders in dir.
func (s *Stock) Again(dir string) (*Stock, error) {
	next := &Stock{bin: s.bin, kubeconfig: s.kubeconfig, addresses: s.addresses}
	return next, next.start(dir)
}

func (s *Stock) start(dir string) error {
	for _, name := range StockControllers {
		c, err := s.startController(name, dir)
		if err != nil {
			return errors.Join(err, s.kill())
		}
		s.controllers = append(s.controllers, c)
	}
	return nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (s *Stock) startController(name, dir string) (*controller, error) {
	c := &controller{name: name, done: make(chan struct{})}
	flags, err := c.flags(dir, s.addresses)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	temp := filepath.Join(dir, name)
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	c.cmd = exec.Command(filepath.Join(s.bin, name), flags...)
	c.cmd.Env = append(os.Environ(), "RUNTIME_NAMESPACE=flux-system", "KUBECONFIG="+s.kubeconfig, "GOMEMLIMIT=1GiB",
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
func (c *controller) flags(dir string, at addresses) ([]string, error) {
	ports, err := program.FreePorts(3)
	if err != nil {
		return nil, err
	}
	c.health = loopback(ports[0])
	flags := []string{
		"--watch-all-namespaces", "--log-level=info", "--log-encoding=json",
		"--health-addr=" + c.health, "--metrics-addr=" + loopback(ports[1]),
	}
	if c.name == notifier {
		return append(flags, "--events-addr="+at.events, "--receiverAddr="+loopback(ports[2])), nil
	}
	flags = append(flags, "--events-addr=http://"+at.events+"/")
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
				return fmt.Errorf("%s ended with %s:\n%s", c.name, c.cmd.ProcessState, c.output.Bytes())
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
			return errors.Join(fmt.Errorf("stop %s: %w", c.name, ctx.Err()), s.kill())
		}
	}
	return nil
}

func (s *Stock) kill() error {
	var failures []error
	for _, c := range s.controllers {
		if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			failures = append(failures, fmt.Errorf("kill %s: %w", c.name, err))
		}
		<-c.done
	}
	return errors.Join(failures...)
}
