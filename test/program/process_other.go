//go:build !linux

package program

import "syscall"

// childAttributes spare a child the interrupt that a terminal sends to its
// parent's group. Nothing here can kill it when the parent dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
