package program

import "syscall"

// childAttributes have a child killed when its parent dies, and spare it the
// interrupt that a terminal sends to the parent's group: a test that is
// interrupted wants to clean up with the API server still there.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
