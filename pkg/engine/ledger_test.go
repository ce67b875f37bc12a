package engine

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := OpenLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// An object is held back when it was running as the process died for the second
// time, longer each time, and no more once it has lived through a run.
func TestLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		bad, good := named("bad"), named("good")
		var held []time.Duration
		for range 9 {
			l := open(t, dir)
			held = append(held, l.hold(bad))
			if d := l.hold(good); d != 0 {
				t.Fatalf("the other one is held back for %s", d)
			}
			time.Sleep(l.hold(bad)) // of the bubble's clock
			if d := l.hold(bad); d != 0 {
				t.Fatalf("still held back for %s", d)
			}
			l.enter(good)()
			l.enter(bad) // and the process dies
		}
		want := []time.Duration{0, 0, 1, 2, 4, 8, 16, 30, 30}
		for i := range want {
			want[i] *= time.Minute
		}
		if diff := cmp.Diff(want, held); diff != "" {
			t.Errorf("held back (-want +got): %s", diff)
		}
		open(t, dir).enter(bad)()
		if d := open(t, dir).hold(bad); d != 0 {
			t.Errorf("held back for %s after a run that it lived through", d)
		}
	})
}

// What is not run again keeps its strikes, until it is gone.
func TestLedgerRemembers(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		open(t, dir).enter(named("bad"))
	}
	open(t, dir).enter(named("good"))()
	l := open(t, dir)
	if l.hold(named("bad")) == 0 {
		t.Error("forgotten although it never ran")
	}
	l.forget(named("bad"))
	l.forget(named("never-was"))
	if d := open(t, dir).hold(named("bad")); d != 0 {
		t.Errorf("its successor is held back for %s", d)
	}
}

func TestDamagedLedger(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "cut off": `[{"key":{"Kind":"Git`, "another form": `{"a":1}`} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "running.json"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			l := open(t, dir)
			if d := l.hold(named("it")); d != 0 {
				t.Errorf("held back for %s", d)
			}
			l.enter(named("it"))
			if n := len(open(t, dir).strikes); n != 1 {
				t.Errorf("%d strikes after a crash, want 1", n)
			}
		})
	}
	if _, err := OpenLedger(filepath.Join(t.TempDir(), "file\x00")); err == nil {
		t.Error("a directory that cannot be read is no error")
	}
}

// The file is as long as what it has to say, however much has happened.
func TestLedgerStaysSmall(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		open(t, dir).enter(named("bad"))
	}
	l := open(t, dir)
	l.enter(named("long"))
	for range 2000 {
		l.enter(named("good"))()
	}
	info, err := os.Stat(filepath.Join(dir, "running.json"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 2*longestLedger {
		t.Errorf("%d bytes", info.Size())
	}
	want := map[Key]int{named("bad"): 2, named("long"): 1}
	if diff := cmp.Diff(want, open(t, dir).strikes); diff != "" {
		t.Errorf("strikes (-want +got): %s", diff)
	}
}

// A process that dies while it writes leaves half a line.
func TestLedgerThatEndsInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).enter(named("bad"))
	file, err := os.OpenFile(filepath.Join(dir, "running.json"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"key":{"Kind":"Git`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir).enter(named("bad"))
	if n := open(t, dir).strikes[named("bad")]; n != 2 {
		t.Errorf("%d strikes, want 2", n)
	}
}

func TestNoLedger(t *testing.T) {
	var l *Ledger
	l.enter(named("it"))()
	l.forget(named("it"))
	if l.hold(named("it")) != 0 {
		t.Error("held back by nobody")
	}
}

func TestHeldBackObjects(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		for range 2 {
			open(t, dir).enter(named("bad"))
		}
		w.config.Ledger = open(t, dir)
		w.create(repository("bad"))
		w.create(repository("good"))
		w.start()
		w.wantRuns(map[string]int{"good": 1})
		w.wait(time.Minute)
		w.wantRuns(map[string]int{"good": 1, "bad": 1})
	})
}
