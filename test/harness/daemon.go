package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fluxd/fluxd/test/program"
)

// Build builds the daemon into dir and returns its path. Go's build cache makes
// the second time quick.
func Build(ctx context.Context, dir string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "fluxd")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./cmd/fluxd")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build fluxd: %w: %s", err, bytes.TrimSpace(text))
	}
	return out, nil
}

// Root returns the root of the source tree: the nearest folder above the
// working directory that holds deploy/crds.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "deploy", "crds")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find the root of the source tree: run this inside of it")
		}
	}
}

// Daemon is a running fluxd.
type Daemon struct {
	cmd     *exec.Cmd
	metrics string
	health  string
	gauge   gauge
	done    chan struct{}
	err     error // of the process; read after done

	mu   sync.Mutex // guards logs
	logs []string
}

// Start starts the daemon with the given kubeconfig and further flags of run.
// It ends with the caller's process at the latest.
func Start(binary, kubeconfig string, flags ...string) (*Daemon, error) {
	return StartWith(nil, binary, kubeconfig, flags...)
}

// StartWith is Start with more environment variables, as NAME=value.
func StartWith(env []string, binary, kubeconfig string, flags ...string) (*Daemon, error) {
	return StartIn(nil, env, binary, kubeconfig, flags...)
}

// StartIn is StartWith in a cgroup, or in none if it is nil.
func StartIn(c *Cgroup, env []string, binary, kubeconfig string, flags ...string) (*Daemon, error) {
	d := &Daemon{done: make(chan struct{})}
	var err error
	if d.metrics, err = program.FreeAddress(); err != nil {
		return nil, err
	}
	if d.health, err = program.FreeAddress(); err != nil {
		return nil, err
	}
	args := append([]string{"run", "--kubeconfig=" + kubeconfig, "--metrics-addr=" + d.metrics, "--health-addr=" + d.health}, flags...)
	if c != nil {
		binary, args = c.wrap(binary, args)
	}
	d.cmd = exec.Command(binary, args...)
	d.cmd.Env = append(append(os.Environ(), "RUNTIME_NAMESPACE=flux-system"), env...)
	stderr, said := io.Pipe()
	d.cmd.Stderr = said
	ended, err := program.Start(d.cmd)
	if err != nil {
		return nil, fmt.Errorf("start fluxd: %w", err)
	}
	go func() {
		d.err = <-ended
		_ = said.Close() // never fails
	}()
	go d.follow(stderr)
	return d, nil
}

// maxLogs is how many lines of the log are kept.
const maxLogs = 20_000

func (d *Daemon) follow(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		d.mu.Lock()
		if len(d.logs) < maxLogs {
			d.logs = append(d.logs, lines.Text())
		}
		d.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, stderr) // what follows a line that is too long
	close(d.done)
}

// Logs returns the lines that the daemon has logged.
func (d *Daemon) Logs() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.logs...)
}

// Probes asks the daemon whether it is alive and whether it is ready.
func (d *Daemon) Probes() (alive, ready bool) {
	return healthy("http://" + d.health + "/healthz"), healthy("http://" + d.health + "/readyz")
}

// Ready waits until the daemon says that it is.
func (d *Daemon) Ready(ctx context.Context) error {
	return d.await(ctx, func() bool { return healthy("http://" + d.health + "/readyz") })
}

// Logged waits until the daemon has logged a line in which all the words are.
func (d *Daemon) Logged(ctx context.Context, words ...string) error {
	return d.await(ctx, func() bool {
		return slices.ContainsFunc(d.Logs(), func(line string) bool {
			return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
		})
	})
}

// await waits until is, as long as the daemon lives.
func (d *Daemon) await(ctx context.Context, is func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for fluxd: %w; the end of its log:\n%s", ctx.Err(), d.tail())
		case <-d.done:
			return fmt.Errorf("fluxd ended: %w; the end of its log:\n%s", errOr(d.err), d.tail())
		case <-tick.C:
		}
	}
	return nil
}

func errOr(err error) error {
	if err == nil {
		return errors.New("without an error")
	}
	return err
}

func (d *Daemon) tail() string {
	logs := d.Logs()
	return strings.Join(logs[max(0, len(logs)-10):], "\n")
}

// Ended waits until the daemon has ended by itself, and returns how: an error of its
// own, or nil in good order.
func (d *Daemon) Ended(ctx context.Context) (exit, err error) {
	select {
	case <-d.done:
		return d.err, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the end of fluxd: %w; the end of its log:\n%s", ctx.Err(), d.tail())
	}
}

// Stop asks the daemon to end and waits until it has.
func (d *Daemon) Stop(ctx context.Context) error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop fluxd: %w", err)
	}
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop fluxd: %w", ctx.Err()), d.Kill())
	}
}

// Kill ends the daemon without a warning, as a power loss would.
func (d *Daemon) Kill() error {
	if err := d.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill fluxd: %w", err)
	}
	<-d.done
	return nil
}

// MetricsAddress returns the host and port that metrics are served on.
func (d *Daemon) MetricsAddress() string { return d.metrics }

// Metrics returns all metrics as text.
func (d *Daemon) Metrics() (string, error) { return metrics(d.metrics) }

// Metric returns the value of a metric, added up over its series that hold all
// of the given label pairs, such as `kind="Kustomization"`.
func (d *Daemon) Metric(name string, labels ...string) (float64, error) {
	return metric(d.metrics, name, labels)
}
