package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// teller narrates. Colour is for terminals.
type teller struct {
	w       io.Writer
	colour  bool
	started time.Time
}

func newTeller(f *os.File) *teller {
	info, err := f.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
	return &teller{w: f, colour: terminal, started: time.Now()}
}

func (t *teller) paint(code, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// chapter begins a part of the story.
func (t *teller) chapter(format string, args ...any) {
	fmt.Fprintf(t.w, "\n%s\n", t.paint("1", fmt.Sprintf(format, args...)))
}

// say tells one thing.
func (t *teller) say(format string, args ...any) {
	fmt.Fprintf(t.w, "  %s\n", fmt.Sprintf(format, args...))
}

// did shows a command as somebody would have typed it.
func (t *teller) did(command string) {
	fmt.Fprintf(t.w, "  %s\n", t.paint("36", "$ "+command))
}

// took tells how long something took.
func (t *teller) took(what string, d time.Duration) {
	fmt.Fprintf(t.w, "  %s %s\n", what, t.paint("32", "after "+d.Round(time.Millisecond).String()))
}

// quote shows the output of a command.
func (t *teller) quote(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(t.w, "    %s\n", strings.TrimRight(line, "\n"))
	}
}

// Write makes a teller take the progress lines of others.
func (t *teller) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		t.say("%s", strings.TrimRight(line, "\n"))
	}
	return len(p), nil
}
