package clients

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// try runs the flux command line in the namespace of the test and returns what it
// printed, on both its outputs, and how it ended.
func (w clients) try(ctx context.Context, args ...string) (string, error) {
	cmd := w.command(ctx, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// command is one of the flux command line. Nothing outside of this machine is asked.
func (w clients) command(ctx context.Context, args ...string) *exec.Cmd {
	has := func(flag string) bool {
		return slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, flag) })
	}
	if !has("-A") && !has("--namespace") {
		args = append(args, "--namespace="+w.Namespace)
	}
	if !has("--timeout") {
		args = append(args, "--timeout=60s")
	}
	cmd := exec.CommandContext(ctx, cli, args...)
	cmd.Env = []string{
		"KUBECONFIG=" + w.Cluster.Kubeconfig(), "HOME=" + home, "PATH=" + os.Getenv("PATH"),
		"HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1",
	}
	return cmd
}

// flux runs the flux command line, which must succeed, and returns what it printed.
func (w clients) flux(args ...string) string {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), patience)
	defer cancel()
	out, err := w.try(ctx, args...)
	if err != nil {
		w.T.Fatalf("flux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// refused runs the flux command line, which must fail, and returns what it printed.
func (w clients) refused(args ...string) string {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), patience)
	defer cancel()
	out, err := w.try(ctx, args...)
	if err == nil {
		w.T.Fatalf("flux %s: it did not fail\n%s", strings.Join(args, " "), out)
	}
	return out
}

// says fails the test unless a text has these lines, in this order.
func says(t testing.TB, text string, lines ...string) {
	t.Helper()
	rest := text
	for _, line := range lines {
		_, after, found := strings.Cut(rest, line)
		if !found {
			t.Errorf("no %q, or not in this place, in:\n%s", line, text)
			return
		}
		rest = after
	}
}

// lacks fails the test if a text has one of the parts.
func lacks(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%q in:\n%s", part, text)
		}
	}
}

// row returns the cells of the line of a table that has a name in it.
func row(t testing.TB, table, name string) []string {
	t.Helper()
	for line := range strings.Lines(table) {
		var cells []string
		for _, cell := range strings.Split(strings.TrimSpace(line), "\t") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if slices.Contains(cells, name) {
			return cells
		}
	}
	t.Fatalf("no row %s in:\n%s", name, table)
	return nil
}

// short is a revision as the command line shows it: with eight digits of its hash.
func short(revision string) string {
	at := strings.LastIndexByte(revision, ':')
	return revision[:min(len(revision), at+9)]
}
