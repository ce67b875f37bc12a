package engine

import (
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
)

// Ledger remembers across restarts which objects were running when the process
// died, so that one which kills the process cannot do so for ever. It is a
// small file, rewritten when a run starts and when it has ended. A nil ledger
// remembers nothing and holds back nobody.
type Ledger struct {
	path string

	mu      sync.Mutex // guards the fields below and the file
	strikes map[Key]int
	running map[Key]int
	held    map[Key]time.Time
}

// entry is one line of the file.
type entry struct {
	Key     Key  `json:"key"`
	Strikes int  `json:"strikes,omitempty"`
	Running bool `json:"running,omitempty"`
}

// OpenLedger reads the ledger in dir, which must exist. What was running at the
// end of the last process gets a strike. A damaged file counts as empty.
func OpenLedger(dir string) (*Ledger, error) {
	l := &Ledger{
		path:    filepath.Join(dir, "running.json"),
		strikes: make(map[Key]int), running: make(map[Key]int), held: make(map[Key]time.Time),
	}
	data, err := os.ReadFile(l.path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read the ledger of running objects: %w", err)
	}
	var entries []entry
	if json.Unmarshal(data, &entries) != nil {
		return l, nil
	}
	for _, e := range entries {
		if e.Running {
			e.Strikes++
		}
		if e.Strikes == 0 {
			continue
		}
		l.strikes[e.Key] = e.Strikes
		if e.Strikes >= strikes {
			l.held[e.Key] = time.Now().Add(holdFor(e.Strikes))
		}
	}
	return l, nil
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
	l.write()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.running, key)
		delete(l.strikes, key)
		l.write()
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
	l.write()
}

// write replaces the file. It need not survive a power loss, only the process,
// so it is not synced; a failure to write costs the memory of a crash and must
// not cost the run.
func (l *Ledger) write() {
	entries := make([]entry, 0, len(l.running)+len(l.strikes))
	for key := range l.running {
		entries = append(entries, entry{Key: key, Strikes: l.strikes[key], Running: true})
	}
	for key, count := range l.strikes {
		if l.running[key] == 0 {
			entries = append(entries, entry{Key: key, Strikes: count})
		}
	}
	data, err := json.Marshal(entries)
	if err != nil {
		return
	}
	temporary := l.path + ".tmp"
	if os.WriteFile(temporary, data, 0o600) == nil {
		_ = os.Rename(temporary, l.path)
	}
}
