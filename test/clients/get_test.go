package clients

import (
	"bufio"
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
)

// Everything that there is, in a namespace and in all.
func TestGetAll(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "1")})
	says(t, w.refused("get", "kustomizations"), "no Kustomization objects found")
	w.git("repo")
	w.kustomization("app", "repo", "./app")
	w.Wait(kustomizations, "app", ready)
	for _, args := range [][]string{{"get", "all"}, {"get", "all", "-A"}, {"get", "all", "--namespace=" + w.Namespace}} {
		out := w.flux(args...)
		says(t, out, "gitrepository/repo", "True", "stored artifact for revision 'main@sha1:", "kustomization/app", "True", "Applied revision: main@sha1:")
		lacks(t, out, "✗")
	}
	says(t, w.flux("get", "sources", "all"), "gitrepository/repo")
	table := w.flux("get", "kustomizations", "-A")
	says(t, table, "NAMESPACE", "NAME", "REVISION", "SUSPENDED", "READY", "MESSAGE")
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, w.Namespace+" ") || strings.HasPrefix(line, w.Namespace+"\t") {
			return
		}
	}
	t.Errorf("no row of %s in:\n%s", w.Namespace, table)
}

// The kinds that fluxd does not serve are told from those of which there are none.
func TestGetWhatIsMissing(t *testing.T) {
	w := newFluxWorld(t, nil)
	for _, args := range [][]string{{"get", "alerts"}, {"get", "receivers"}, {"get", "alert-providers"}, {"get", "image", "policy"}} {
		says(t, w.refused(args...), "✗", "no matches for")
	}
}

// watching is a command that goes on.
type watching struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	seen  []string
}

// watch starts the flux command line with arguments that make it go on until the test
// ends.
func (w clients) watch(args ...string) *watching {
	w.T.Helper()
	ctx, cancel := context.WithCancel(w.T.Context())
	v := &watching{t: w.T, cmd: w.command(ctx, args...), lines: make(chan string)}
	out, err := v.cmd.StdoutPipe()
	if err == nil {
		err = v.cmd.Start()
	}
	if err != nil {
		cancel()
		w.T.Fatal(err)
	}
	go func() {
		defer close(v.lines)
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			select {
			case v.lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	w.T.Cleanup(func() {
		cancel()
		_ = v.cmd.Wait() // it was killed
	})
	return v
}

// until waits for a line that has all of the parts.
func (v *watching) until(parts ...string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), world.Patience)
	defer cancel()
	for {
		select {
		case line, open := <-v.lines:
			if !open {
				v.t.Fatalf("it ended without a line that has %q:\n%s", parts, strings.Join(v.seen, "\n"))
			}
			v.seen = append(v.seen, line)
			if containsAll(line, parts) {
				return
			}
		case <-ctx.Done():
			v.t.Fatalf("no line that has %q:\n%s", parts, strings.Join(v.seen, "\n"))
		}
	}
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// A watch shows what happens as it does.
func TestGetWatch(t *testing.T) {
	w := newFluxWorld(t, files{"app/config.yaml": configMap("config", "1")})
	w.git("repo")
	w.kustomization("app", "repo", "./app")
	w.Wait(kustomizations, "app", ready)
	table := w.watch("get", "kustomizations", "--watch")
	table.until("app", "False", "True", "Applied revision:")
	revision := w.commit(files{"app/config.yaml": configMap("config", "2")})
	w.Request(harness.Sources, "repo")
	table.until("app", short(revision), "True", "Applied revision: "+short(revision))
	w.flux("suspend", "ks", "app")
	table.until("app", "True", "Applied revision: "+short(revision))
}
