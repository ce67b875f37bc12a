package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Every mapping of the program has the flag of what is read at random, and no other one.
func TestReadSparsely(t *testing.T) {
	if err := readSparsely(); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	mine, found := false, 0
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		switch {
		case strings.Contains(fields[0], "-") && !strings.HasSuffix(fields[0], ":"):
			mine = fields[len(fields)-1] == program
		case fields[0] != "VmFlags:":
		case mine != slices.Contains(fields, "rr"):
			t.Errorf("of the program: %t, read at random: %t", mine, !mine)
		case mine:
			found++
		}
	}
	if found == 0 {
		t.Error("the program is mapped nowhere")
	}
}
