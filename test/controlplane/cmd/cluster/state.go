package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// state is the directory in which a cluster that runs in the background is
// found again. Whoever runs it holds a lock in there, which the kernel takes
// back when that process dies, however it dies.
type state struct{ dir string }

// record is what a cluster that is ready says of itself.
type record struct {
	PID   int            // of the process that holds the lock
	PIDs  map[string]int // of its children, by name
	Since time.Time
}

func (r record) names() []string { return slices.Sorted(maps.Keys(r.PIDs)) }

func openState(dir string) (state, error) {
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return state{}, fmt.Errorf("find the cache directory: %w", err)
		}
		dir = filepath.Join(cache, "fluxd", "cluster")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return state{}, err
	}
	return state{dir}, os.MkdirAll(filepath.Join(dir, "bin"), 0o755)
}

func (s state) kubeconfig() string { return filepath.Join(s.dir, "kubeconfig") }
func (s state) logs() string       { return filepath.Join(s.dir, "logs") }
func (s state) recordPath() string { return filepath.Join(s.dir, "state.json") }
func (s state) lockPath() string   { return filepath.Join(s.dir, "lock") }

// lock makes this process the one that runs the cluster, until it closes what
// is returned. It must not call holder meanwhile: to close the file a second
// time is to unlock it.
func (s state) lock() (io.Closer, error) {
	file, err := os.OpenFile(s.lockPath(), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, wholeFile()); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("another process runs the cluster: %w", err)
	}
	return file, nil
}

// holder is the process that runs the cluster, or 0. The kernel is asked, so
// it is never the number of a process long gone.
func (s state) holder() int {
	file, err := os.OpenFile(s.lockPath(), os.O_RDWR, 0)
	if err != nil {
		return 0
	}
	defer file.Close()
	lock := wholeFile()
	if err := syscall.FcntlFlock(file.Fd(), syscall.F_GETLK, lock); err != nil || lock.Type == syscall.F_UNLCK {
		return 0
	}
	return int(lock.Pid)
}

func wholeFile() *syscall.Flock_t {
	return &syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
}

// read returns the record of the cluster that runs, if one does and is ready.
func (s state) read() (record, bool) {
	var r record
	content, err := os.ReadFile(s.recordPath())
	if err != nil || json.Unmarshal(content, &r) != nil {
		return record{}, false
	}
	return r, r.PID == s.holder()
}

// write saves r in one step.
func (s state) write(r record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	part := s.recordPath() + ".part"
	if err := os.WriteFile(part, content, 0o644); err != nil {
		return err
	}
	return os.Rename(part, s.recordPath())
}
