package program

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// ErrEnded marks the error of a process that ended when nobody asked it to.
var ErrEnded = errors.New("process ended")

// Process is one running child.
type Process struct {
	name string
	log  string // path of what it prints
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

// Launch starts the command called name of binary, in dir, with no environment
// but env and a home. Its output is appended to a file in logDir.
func Launch(binary, name string, args []string, dir, logDir string, env ...string) (*Process, error) {
	p := &Process{name: name, log: filepath.Join(logDir, filepath.Base(name)+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close() // the child has its own
	p.cmd = exec.Command(binary, append([]string{name}, args...)...)
	p.cmd.Dir, p.cmd.Env = dir, append([]string{"HOME=" + dir}, env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	ended, err := Start(p.cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = <-ended
		close(p.done)
	}()
	return p, nil
}

// Start starts cmd as a child that dies with this process, and sends how it has
// ended.
//
// The kernel ties a child's parent-death signal to the thread that started it,
// not to the process, so the thread is kept for as long as the child lives.
func Start(cmd *exec.Cmd) (ended <-chan error, err error) {
	cmd.SysProcAttr = childAttributes()
	started, end := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			end <- cmd.Wait()
		}
	}()
	return end, <-started
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is the path of the file with what p prints.
func (p *Process) Log() string { return p.log }

// Done is closed when p has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends p at once and returns when it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only if it has ended
	<-p.done
}

// Stop asks p to end and returns when it is gone, killed if it took longer
// than grace.
func (p *Process) Stop(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
}

// Ended describes an end that nobody asked for, with the last of what p said.
func (p *Process) Ended() error {
	content, err := os.ReadFile(p.log)
	if err != nil {
		content = []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	last := bytes.Join(lines[max(0, len(lines)-10):], []byte("\n"))
	return fmt.Errorf("%s: %w (%v); its log ends with\n%s", p.name, ErrEnded, p.err, last)
}
