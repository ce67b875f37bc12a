package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/fluxd/fluxd/test/controlplane"
)

// up makes sure that the cluster runs, and returns when it is ready.
func up(ctx context.Context, s state, nodes int, stdout, stderr io.Writer) error {
	if _, running := s.read(); running {
		printUse(s, stdout, stderr)
		return nil
	}
	if _, err := controlplane.Build(ctx, stderr); err != nil {
		return err
	}
	ended, err := spawn(s, nodes)
	if err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	err = wait(ctx, func() (bool, error) {
		_, running := s.read()
		select {
		case <-ended:
			// Fine if it only lost the race to another up.
			if !running && s.holder() == 0 {
				return false, fmt.Errorf("the cluster did not start; see %s", serveLog(s))
			}
		default:
		}
		return running, nil
	})
	if err == nil {
		printUse(s, stdout, stderr)
	}
	return err
}

func serveLog(s state) string { return filepath.Join(s.dir, "serve.log") }

// spawn leaves this program running as serve, in a session of its own.
func spawn(s state, nodes int) (ended <-chan struct{}, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(serveLog(s))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self, "serve", "--dir", s.dir, "--nodes", strconv.Itoa(nodes))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log says why
		close(done)
	}()
	return done, nil
}

// down ends the cluster, if it runs, and returns when it is gone.
func down(ctx context.Context, s state, stdout io.Writer) error {
	pid := s.holder()
	if pid == 0 {
		fmt.Fprintln(stdout, "not running")
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end the cluster: %w", err)
	}
	err := wait(ctx, func() (bool, error) { return s.holder() != pid, nil })
	if err == nil {
		fmt.Fprintln(stdout, "ended")
	}
	return err
}

// wait asks now and then until the answer is yes, an error, or ctx ends.
func wait(ctx context.Context, ask func() (bool, error)) error {
	for {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
