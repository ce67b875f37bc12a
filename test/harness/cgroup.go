package harness

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNoCgroup says that this machine lets nobody here make a memory cgroup.
var ErrNoCgroup = errors.New("no memory cgroup can be made")

// Cgroup is a memory cgroup with a limit, below that of this process, as a container
// is in one. Not a ulimit: RLIMIT_AS counts the address space, of which Go reserves a
// gigabyte it never touches, RLIMIT_DATA what is mapped and not what is resident, and
// neither counts files, page tables and sockets, as the kernel does before it kills.
type Cgroup struct {
	dir   string
	names cgroupNames
}

// cgroupNames are what the two versions call their files and what is in them.
type cgroupNames struct {
	limit, usage, events, stat string
	killed                     string // a line of events
	anonymous, file, reread    string // lines of stat
}

var (
	cgroup1 = cgroupNames{
		limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
		events: "memory.oom_control", stat: "memory.stat", killed: "oom_kill", anonymous: "total_rss", file: "total_cache", reread: "total_workingset_refault_file",
	}
	cgroup2 = cgroupNames{
		limit: "memory.max", usage: "memory.current",
		events: "memory.events", stat: "memory.stat", killed: "oom_kill", anonymous: "anon", file: "file", reread: "workingset_refault_file",
	}
)

// CgroupUsage is what the processes of a cgroup take, in bytes, and what the limit has
// cost them.
type CgroupUsage struct {
	// Used is what counts against the limit: Anonymous, Files, which the kernel takes back
	// when it needs to, and what it needs itself.
	Used, Anonymous, Files int64
	// Reread counts pages of files that were read again because they had been taken back.
	Reread int64
	// Kills counts processes that were killed because nothing was left to take back.
	Kills int64
}

// NewCgroup makes a cgroup with a limit in bytes. The error is [ErrNoCgroup] where that
// cannot be done.
func NewCgroup(name string, limit int64) (*Cgroup, error) {
	parents, names, err := cgroupParents()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCgroup, err)
	}
	var failures []error
	for _, parent := range parents {
		c := &Cgroup{dir: filepath.Join(parent, fmt.Sprintf("%s-%d", name, os.Getpid())), names: names}
		err := os.Mkdir(c.dir, 0o755)
		if err == nil {
			if err = c.write(names.limit, strconv.FormatInt(limit, 10)); err == nil {
				return c, nil
			}
			err = errors.Join(err, os.Remove(c.dir))
		}
		failures = append(failures, err)
	}
	return nil, fmt.Errorf("%w: %w", ErrNoCgroup, errors.Join(failures...))
}

// cgroupParents returns the folders below which one can be made: that of this process,
// and in version 2, where those with processes have no children with limits, those above.
func cgroupParents() ([]string, cgroupNames, error) {
	own, err := ownCgroups()
	if err != nil {
		return nil, cgroupNames{}, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, cgroupNames{}, err
	}
	for line := range strings.Lines(string(mounts)) {
		before, after, ok := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		root, mount := fields[3], fields[4]
		if path, ok := own["memory"]; ok {
			if kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), "memory") {
				return []string{filepath.Join(mount, strings.TrimPrefix(path, root))}, cgroup1, nil
			}
			continue
		}
		if path, ok := own[""]; ok && kind[0] == "cgroup2" {
			var all []string
			for dir := filepath.Join(mount, strings.TrimPrefix(path, root)); strings.HasPrefix(dir, mount); dir = filepath.Dir(dir) {
				all = append(all, dir)
			}
			return all, cgroup2, nil
		}
	}
	return nil, cgroupNames{}, errors.New("none is mounted that counts memory")
}

// ownCgroups returns the paths of this process by controller; that of version 2 has none.
func ownCgroups() (map[string]string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	own := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 {
			for controller := range strings.SplitSeq(parts[1], ",") {
				own[controller] = parts[2]
			}
		}
	}
	return own, nil
}

// wrap returns the command that runs another one in the cgroup.
func (c *Cgroup) wrap(binary string, args []string) (string, []string) {
	enter := `echo $$ >"$0" && exec "$@"`
	return "/bin/sh", append([]string{"-c", enter, filepath.Join(c.dir, "cgroup.procs"), binary}, args...)
}

// Usage reads what is taken now.
func (c *Cgroup) Usage() (CgroupUsage, error) {
	var u CgroupUsage
	text, err := os.ReadFile(filepath.Join(c.dir, c.names.usage))
	if err != nil {
		return u, err
	}
	if u.Used, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err != nil {
		return u, err
	}
	stat, err := c.lines(c.names.stat)
	if err != nil {
		return u, err
	}
	u.Anonymous, u.Files, u.Reread = stat[c.names.anonymous], stat[c.names.file], stat[c.names.reread]
	events, err := c.lines(c.names.events)
	u.Kills = events[c.names.killed]
	return u, err
}

// lines reads a file of names and numbers.
func (c *Cgroup) lines(name string) (map[string]int64, error) {
	f, err := os.Open(filepath.Join(c.dir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := make(map[string]int64)
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		key, value, _ := strings.Cut(scanner.Text(), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			all[key] = n
		}
	}
	return all, scanner.Err()
}

func (c *Cgroup) write(name, value string) error {
	return os.WriteFile(filepath.Join(c.dir, name), []byte(value), 0o644)
}

// Close removes the cgroup, whose processes must have ended.
func (c *Cgroup) Close() error { return os.Remove(c.dir) }

// Watch looks every few milliseconds, until the function it returns is called, which
// returns the most that was taken of each and, as Used, the most that could not be taken
// back.
func (c *Cgroup) Watch() (stop func() CgroupUsage) {
	quit, done := make(chan struct{}), make(chan CgroupUsage)
	go func() {
		var most CgroupUsage
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			if u, err := c.Usage(); err == nil {
				most.Used = max(most.Used, u.Used-u.Files)
				most.Anonymous, most.Files = max(most.Anonymous, u.Anonymous), max(most.Files, u.Files)
				most.Reread, most.Kills = max(most.Reread, u.Reread), max(most.Kills, u.Kills)
			}
			select {
			case <-quit:
				done <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() CgroupUsage {
		close(quit)
		return <-done
	}
}
