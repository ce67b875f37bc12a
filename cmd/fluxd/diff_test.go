package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// runDiff runs fluxd diff and returns its error.
func runDiff(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	root := newRoot()
	var text bytes.Buffer
	root.SetOut(&text)
	root.SetErr(&text)
	root.SetArgs(append([]string{"diff"}, args...))
	err = root.ExecuteContext(t.Context())
	return text.String(), err
}

func TestDiffRefusesBadFlags(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(nowhere, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, args := range map[string][]string{
		"accepts 1 arg(s), received 0":           {"kustomization"},
		`there are no previews of "helmchart"`:   {"helmchart", "app"},
		"unknown flag: --nonsense":               {"kustomization", "app", "--nonsense"},
		`--output: "xml" is neither text nor js`: {"kustomization", "app", "--output=xml"},
		"--path: stat /nowhere: no such file":    {"kustomization", "app", "--path=/nowhere"},
		"--prune-budget: ":                       {"kustomization", "app", "--prune-budget=many"},
		"load the connection to the API server":  {"kustomization", "app", "--kubeconfig=" + nowhere},
	} {
		_, err := runDiff(t, args...)
		own, ok := errors.AsType[*exitError](err)
		if err == nil || !strings.Contains(err.Error(), says) || !ok || own.code != exitTrouble {
			t.Errorf("%q: got %v, want %s", args, err, says)
		}
	}
}

// The flags of the daemon that shape what is applied can be given to diff, and its help
// shows those of its own.
func TestDiffHasTheFlagsOfRun(t *testing.T) {
	d := &diff{options: defaults()}
	own := pflag.NewFlagSet("diff", pflag.ContinueOnError)
	d.register(own)
	for _, name := range []string{"default-service-account", "no-cross-namespace-refs", "feature-gates", "sops-age-secret"} {
		if f := own.Lookup(name); f == nil || !f.Hidden {
			t.Errorf("--%s: %v", name, f)
		}
	}
	help, err := runDiff(t, "kustomization", "--help")
	if err != nil || !strings.Contains(help, "--recursive") || !strings.Contains(help, "--kubeconfig") || strings.Contains(help, "--metrics-addr") {
		t.Errorf("error %v, help %s", err, help)
	}
}

func TestExitCodes(t *testing.T) {
	for want, err := range map[int]error{
		exitDiffers: &exitError{exitDiffers, errDiffers},
		exitTrouble: trouble(errors.New("it broke")),
	} {
		if got := exit(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
	if trouble(nil) != nil {
		t.Error("no error is trouble")
	}
}
