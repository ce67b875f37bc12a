package harness

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel end the child when the thread that started it
// ends, which for a Go program is, in practice, with the program: the main
// goroutines that start daemons outlive them.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
