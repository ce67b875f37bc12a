package harness

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// noLongerNeeded is POSIX_FADV_DONTNEED.
const noLongerNeeded = 4

// Unread copies a program into dir in such a way that nothing of it is in memory, and
// returns its path: what a process reads of it counts for the cgroup of that process.
func Unread(binary, dir string) (string, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, filepath.Base(binary))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync()) // only what is on disk can be let go of
	if _, _, code := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, noLongerNeeded, 0, 0); code != 0 {
		err = errors.Join(err, code)
	}
	return name, errors.Join(err, f.Close())
}
