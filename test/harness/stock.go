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
	controllers []*controller
}

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
	s := &Stock{}
	events, err := program.FreeAddress()
	if err != nil {
		return nil, err
	}
	for _, name := range StockControllers {
		c, err := startController(name, filepath.Join(bin, name), dir, kubeconfig, events)
		if err != nil {
			return nil, errors.Join(err, s.kill())
		}
		s.controllers = append(s.controllers, c)
	}
	return s, nil
}

func startController(name, binary, dir, kubeconfig, events string) (*controller, error) {
	c := &controller{name: name, done: make(chan struct{})}
	flags, err := c.flags(dir, events)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	temp := filepath.Join(dir, name)
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	c.cmd = exec.Command(binary, flags...)
	c.cmd.Env = append(os.Environ(), "RUNTIME_NAMESPACE=flux-system", "KUBECONFIG="+kubeconfig, "GOMEMLIMIT=1GiB",
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
func (c *controller) flags(dir, events string) ([]string, error) {
	ports, err := program.FreePorts(3)
	if err != nil {
		return nil, err
	}
	address := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	c.health = address(0)
	flags := []string{
		"--watch-all-namespaces", "--log-level=info", "--log-encoding=json",
		"--health-addr=" + c.health, "--metrics-addr=" + address(1),
	}
	if c.name == notifier {
		return append(flags, "--events-addr="+events, "--receiverAddr="+address(2)), nil
	}
	flags = append(flags, "--events-addr=http://"+events+"/")
	if c.name != "source-controller" {
		return flags, nil
	}
	storage := filepath.Join(dir, "artifacts")
	if err := os.MkdirAll(storage, 0o755); err != nil {
		return nil, err
	}
	return append(flags, "--storage-path="+storage, "--storage-addr="+address(2), "--storage-adv-addr="+address(2)), nil
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
