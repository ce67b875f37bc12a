package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// orphanEnv has the test program play a test run that dies badly.
const orphanEnv = "FLUXD_TEST_DIES"

// TestMain runs the tests, or starts a process, says which, and dies.
func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanEnv); dir != "" {
		p, err := Launch("/bin/sh", "-c", []string{"exec sleep 600"}, dir, dir)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.PID())
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	os.Exit(m.Run())
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), orphanEnv+"="+t.TempDir())
	output, err := cmd.Output()
	if err == nil {
		t.Fatalf("the parent lived: %s", output)
	}
	var child int
	if _, err := fmt.Sscan(string(output), &child); err != nil {
		t.Fatalf("parent printed %q, want the number of its child", output)
	}
	if err := Poll(t.Context(), gone(child)); err != nil {
		t.Error(err)
	}
}

// gone asks whether a process has ended. One that nobody has collected yet
// has ended too.
func gone(pid int) func(context.Context) error {
	return func(context.Context) error {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, fs.ErrNotExist) || strings.Contains(string(stat), ") Z ") {
			return nil
		}
		return fmt.Errorf("process %d lives: %s", pid, stat)
	}
}
