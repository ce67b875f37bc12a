package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Usage is what a process has taken of the machine.
type Usage struct {
	// Resident and Anonymous are bytes of memory now, Peak the most ever,
	// or since ForgetPeak.
	Resident, Anonymous, Peak int64
	// CPU is user and system time so far.
	CPU time.Duration
}

// gauge measures one process.
type gauge struct {
	mu   sync.Mutex
	peak int64 // guarded by mu
}

// read returns what a process has used. The kernel counts memory per thread and
// adds it up in batches, so that the peak it tells can fall by some pages: the
// highest that it ever told counts.
func (g *gauge) read(pid int) (Usage, error) {
	u, err := usageOf(pid)
	if err != nil {
		return u, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peak = max(g.peak, u.Peak, u.Resident)
	u.Peak = g.peak
	return u, nil
}

// forget makes the peak count from now on.
func (g *gauge) forget(pid int) error {
	// The kernel takes the memory of now for the peak then.
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("forget the peak of process %d: %w", pid, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peak = 0
	return nil
}

// UsageOf adds up what several processes use, which have to run. Their peaks may have
// been at different times.
func UsageOf(pids ...int) (Usage, error) {
	var sum Usage
	for _, pid := range pids {
		u, err := usageOf(pid)
		if err != nil {
			return sum, err
		}
		sum.add(u)
	}
	return sum, nil
}

func (u *Usage) add(other Usage) {
	u.Resident += other.Resident
	u.Anonymous += other.Anonymous
	u.Peak += other.Peak
	u.CPU += other.CPU
}

// clockTick is the unit of /proc/<pid>/stat on Linux.
const clockTick = 10 * time.Millisecond

// Usage reads what the daemon has used. It needs /proc, which Linux has.
func (d *Daemon) Usage() (Usage, error) { return d.gauge.read(d.cmd.Process.Pid) }

// ForgetPeak makes the peak of Usage count from now on. It needs Linux as well.
func (d *Daemon) ForgetPeak() error { return d.gauge.forget(d.cmd.Process.Pid) }

func usageOf(pid int) (Usage, error) {
	var u Usage
	proc := fmt.Sprintf("/proc/%d/", pid)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return u, fmt.Errorf("measure process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "VmRSS:":
			u.Resident = kib << 10
		case "VmHWM:":
			u.Peak = kib << 10
		case "RssAnon:":
			u.Anonymous = kib << 10
		}
	}
	stat, err := os.ReadFile(proc + "stat")
	if err != nil {
		return u, fmt.Errorf("measure process %d: %w", pid, err)
	}
	// The name of the program, in parentheses, may hold spaces.
	rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
	fields := strings.Fields(rest)
	for _, i := range []int{11, 12} { // utime and stime
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return u, fmt.Errorf("measure process %d: %w", pid, err)
		}
		u.CPU += time.Duration(ticks) * clockTick
	}
	return u, nil
}

// TraceCollector is an environment variable of a daemon of which [Daemon.CollectorShare]
// is to be known.
const TraceCollector = "GODEBUG=gctrace=1"

// CollectorShare is what part of the CPU time so far the garbage collector has had, such
// as 5%.
func (d *Daemon) CollectorShare() string {
	share := "an unknown part"
	for _, line := range d.Logs() {
		// gc 12 @3.456s 5%: ...
		if fields := strings.Fields(line); len(fields) > 3 && fields[0] == "gc" {
			share = strings.TrimSuffix(fields[3], ":")
		}
	}
	return share
}
