package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// strikes is how often an object may be running when the process dies
	// before it is held back.
	strikes = 2
	// firstHold is how long it is held back then; the time doubles with every
	// further strike, up to maxHold.
	firstHold = time.Minute
	maxHold   = 30 * time.Minute
	// longestLedger is how many bytes the file grows to before it is written anew.
	longestLedger = 64 << 10
)

// Ledger remembers across restarts which objects were running when the process
// died, so that one which kills the process cannot do so for ever. It is a file with
// a line for each start and end of a run, of which the last one about an object
// counts. Each is a single small write: a burst of runs must not wait for it. A nil
// ledger remembers nothing and holds back nobody.
type Ledger struct {
	path string

	mu      sync.Mutex // guards the fields below and the file
	strikes map[Key]int
	running map[Key]int
	held    map[Key]time.Time
	file    *os.File // nil if it cannot be written
	size    int      // bytes that were written to it
}

// entry is one line of the file.
type entry struct {
	Key     Key  `json:"key"`
	Strikes int  `json:"strikes,omitempty"`
	Running bool `json:"running,omitempty"`
}

// OpenLedger reads the ledger in dir, which must exist. What was running at the
// end of the last process gets a strike. Damaged lines count as none.
func OpenLedger(dir string) (*Ledger, error) {
	l := &Ledger{
		path:    filepath.Join(dir, "running.json"),
		strikes: make(map[Key]int), running: make(map[Key]int), held: make(map[Key]time.Time),
	}
	data, err := os.ReadFile(l.path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read the ledger of running objects: %w", err)
	}
	for key, e := range lastEntries(data) {
		if e.Running {
			e.Strikes++
		}
		if e.Strikes == 0 {
			continue
		}
		l.strikes[key] = e.Strikes
		if e.Strikes >= strikes {
			l.held[key] = time.Now().Add(holdFor(e.Strikes))
		}
	}
	l.rewrite()
	return l, nil
}

// lastEntries returns what the lines of a ledger say of each object in the end.
func lastEntries(data []byte) map[Key]entry {
	last := make(map[Key]entry)
	for line := range bytes.Lines(data) {
		var e entry
		if json.Unmarshal(line, &e) == nil {
			last[e.Key] = e
		}
	}
	return last
}

func holdFor(count int) time.Duration {
	d := firstHold
	for ; count > strikes && d < maxHold; count-- {
		d *= 2
	}
	return min(d, maxHold)
}

// hold returns how long key must still wait, zero if it may run.
func (l *Ledger) hold(key Key) time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.held[key]
	if !ok {
		return 0
	}
	if wait := time.Until(until); wait > 0 {
		return wait
	}
	delete(l.held, key)
	return 0
}

// enter notes that key runs and returns what notes its end. An object that
// lives through a run has no more strikes.
func (l *Ledger) enter(key Key) (leave func()) {
	if l == nil {
		return func() {}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[key]++
	l.note(key)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.running, key)
		delete(l.strikes, key)
		l.note(key)
	}
}

// forget drops what is held against an object that is no more: one that is created
// under its name is another.
func (l *Ledger) forget(key Key) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.strikes[key] == 0 {
		return
	}
	delete(l.strikes, key)
	delete(l.held, key)
	l.note(key)
}

// note writes down what is known of key. It need not survive a power loss, only the
// process, so it is not synced; a failure to write costs the memory of a crash and
// must not cost the run.
func (l *Ledger) note(key Key) {
	if l.file == nil || l.size > longestLedger {
		l.rewrite()
		return
	}
	l.append(entry{Key: key, Strikes: l.strikes[key], Running: l.running[key] > 0})
}

func (l *Ledger) append(e entry) {
	line, err := json.Marshal(e)
	if err != nil || l.file == nil {
		return
	}
	n, err := l.file.Write(append(line, '\n'))
	l.size += n
	if err != nil {
		l.size = longestLedger + 1 // what comes behind half a line would not be read
	}
}

// rewrite replaces the file by one with what counts now.
func (l *Ledger) rewrite() {
	if l.file != nil {
		_ = l.file.Close() // it is not read again
	}
	l.file, l.size = nil, 0
	temporary := l.path + ".tmp"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	l.file = file
	for key := range l.running {
		l.append(entry{Key: key, Strikes: l.strikes[key], Running: true})
	}
	for key, count := range l.strikes {
		if l.running[key] == 0 {
			l.append(entry{Key: key, Strikes: count})
		}
	}
	if os.Rename(temporary, l.path) != nil {
		_ = file.Close()
		l.file = nil
	}
}
