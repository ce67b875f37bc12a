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

// StockControllers are the programs of Flux that [StartStock] starts, if they
// are in the folder.
var StockControllers = []string{"source-controller", "kustomize-controller", "helm-controller", "notification-controller"}

// Stock is a running Flux: the controllers that fluxd replaces.
type Stock struct {
	controllers []*controller
}

type controller struct {
	name   string
	cmd    *exec.Cmd
	health string
	output bytes.Buffer
	done   chan struct{}
}

// StartStock starts those of the Flux controllers that are programs in bin, with
// the flags of their Deployments as far as these matter. What they store goes to
// folders in dir.
func StartStock(bin, dir, kubeconfig string) (*Stock, error) {
	s := &Stock{}
	for _, name := range StockControllers {
		binary := filepath.Join(bin, name)
		if _, err := os.Stat(binary); err != nil {
			continue
		}
		c, err := startController(name, binary, dir, kubeconfig)
		if err != nil {
			return nil, errors.Join(err, s.kill())
		}
		s.controllers = append(s.controllers, c)
	}
	if len(s.controllers) == 0 {
		return nil, fmt.Errorf("no Flux controllers in %s", bin)
	}
	return s, nil
}

func startController(name, binary, dir, kubeconfig string) (*controller, error) {
	c := &controller{name: name, done: make(chan struct{})}
	metrics, err := program.FreeAddress()
	if err != nil {
		return nil, err
	}
	if c.health, err = program.FreeAddress(); err != nil {
		return nil, err
	}
	args := []string{"--metrics-addr=" + metrics, "--health-addr=" + c.health, "--watch-all-namespaces", "--log-level=info"}
	if name == "source-controller" {
		artifacts, err := program.FreeAddress()
		if err != nil {
			return nil, err
		}
		storage := filepath.Join(dir, "artifacts")
		if err := os.MkdirAll(storage, 0o755); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", name, err)
		}
		args = append(args, "--storage-path="+storage, "--storage-addr="+artifacts, "--storage-adv-addr="+artifacts)
	}
	c.cmd = exec.Command(binary, args...)
	c.cmd.Env = append(os.Environ(), "RUNTIME_NAMESPACE=flux-system", "KUBECONFIG="+kubeconfig)
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
		u, err := usageOf(c.cmd.Process.Pid)
		if err != nil {
			return sum, err
		}
		sum.Resident += u.Resident
		sum.Anonymous += u.Anonymous
		sum.Peak += u.Peak
		sum.CPU += u.CPU
	}
	return sum, nil
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
