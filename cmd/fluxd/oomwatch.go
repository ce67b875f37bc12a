package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
)

// memoryFlags are the flags of the watch over the memory of the cgroup, which the
// feature gate OOMWatch switches on.
type memoryFlags struct {
	interval         time.Duration
	threshold        int // percent
	maximum, current string
}

func (m *memoryFlags) register(f *pflag.FlagSet) {
	f.DurationVar(&m.interval, "oom-watch-interval", m.interval, "how often the memory of the cgroup is looked at; needs the feature gate OOMWatch, as do the next three")
	f.IntVar(&m.threshold, "oom-watch-memory-threshold", m.threshold, "percentage of the memory limit from which on fluxd stops in good order instead of being killed")
	f.StringVar(&m.maximum, "oom-watch-max-memory-path", m.maximum, "file with the memory limit; empty finds that of the cgroup")
	f.StringVar(&m.current, "oom-watch-current-memory-path", m.current, "file with the memory in use; empty finds that of the cgroup")
}

func (m *memoryFlags) validate(on bool) error {
	if !on {
		return nil
	}
	var bad []error
	if m.interval < 50*time.Millisecond {
		bad = append(bad, fmt.Errorf("--oom-watch-interval: %s is less than 50ms", m.interval))
	}
	if m.threshold < 1 || m.threshold > 100 {
		bad = append(bad, fmt.Errorf("--oom-watch-memory-threshold: %d is not between 1 and 100", m.threshold))
	}
	return errors.Join(bad...)
}

// errMemory says why the process stops.
var errMemory = errors.New("the memory limit is about to be reached")

// cgroup is where the files of the cgroup are.
const cgroup = "/sys/fs/cgroup/"

// cgroupFiles are where the limit and the use are, newer cgroups first.
var cgroupFiles = [][2]string{
	{"memory.max", "memory.current"},
	{"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"},
}

// memoryWatch stops the process in good order before the kernel kills it.
type memoryWatch struct {
	limit, threshold uint64
	interval         time.Duration
	current          string
}

// newMemoryWatch finds the files below root, where none are named, and reads the limit.
func newMemoryWatch(m memoryFlags, root string) (*memoryWatch, error) {
	maximum, current := m.maximum, m.current
	for _, pair := range cgroupFiles {
		for i, path := range []*string{&maximum, &current} {
			if _, err := os.Stat(root + pair[i]); *path == "" && err == nil {
				*path = root + pair[i]
			}
		}
	}
	if maximum == "" || current == "" {
		return nil, errors.New("--feature-gates: OOMWatch: the memory of the cgroup cannot be found, see --oom-watch-max-memory-path")
	}
	limit, err := readBytes(maximum)
	if err != nil {
		return nil, fmt.Errorf("--feature-gates: OOMWatch: the memory limit: %w", err)
	}
	if _, err := readBytes(current); err != nil {
		return nil, fmt.Errorf("--feature-gates: OOMWatch: the memory in use: %w", err)
	}
	return &memoryWatch{limit: limit, threshold: limit / 100 * uint64(m.threshold), interval: m.interval, current: current}, nil
}

func readBytes(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// run calls stop once the memory in use reaches the threshold, or returns when ctx ends.
func (w *memoryWatch) run(ctx context.Context, log logr.Logger, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(w.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		used, err := readBytes(w.current)
		switch {
		case err != nil:
			log.V(1).Info("cannot read the memory in use", "error", err.Error())
		case used >= w.threshold:
			log.Error(errMemory, "stopping in good order", "used", used, "limit", w.limit)
			stop(errMemory)
			return
		}
	}
}
