package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

// TestMain lets the test program be what up leaves in the background.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestUpTwiceThenDown(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it starts a control plane, which may have to be built for minutes")
	}
	dir := t.TempDir()
	cluster := func(command string) string {
		t.Helper()
		var stdout bytes.Buffer
		if err := run(t.Context(), []string{command, "--dir", dir, "--nodes", "1"}, &stdout, os.Stderr); err != nil {
			t.Fatalf("cluster %s: %v", command, err)
		}
		return stdout.String()
	}
	t.Cleanup(func() { _ = down(context.Background(), state{dir}, io.Discard) })

	if got := cluster("status"); got != "not running\n" {
		t.Errorf("status of nothing = %q", got)
	}
	if got, want := cluster("up"), "export KUBECONFIG="+dir+"/kubeconfig\n"; got != want {
		t.Errorf("up = %q, want %q", got, want)
	}
	first := cluster("status")
	if !strings.Contains(first, " kube-apiserver\n") {
		t.Errorf("status = %q, want the API server in it", first)
	}
	cluster("up")
	if again := cluster("status"); again != first {
		t.Errorf("a second up started another cluster: %q, was %q", again, first)
	}
	if got := cluster("down"); got != "ended\n" {
		t.Errorf("down = %q", got)
	}
	if got := cluster("down"); got != "not running\n" {
		t.Errorf("down of nothing = %q", got)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"sideways", "--dir", t.TempDir()}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("run(%q) returned no error", args)
		}
	}
}
