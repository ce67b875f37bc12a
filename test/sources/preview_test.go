package sources

import (
	"encoding/json"
	"errors"
	"os/exec"
	"testing"

	"github.com/fluxd/fluxd/pkg/forecast"
	"github.com/fluxd/fluxd/pkg/preview"
	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/harness/world"
	"github.com/fluxd/fluxd/test/upstream"
)

// foresee returns what fluxd diff says of a Kustomization, and its exit code.
func (w sources) foresee(name string, args ...string) (forecast.Owner, int) {
	w.T.Helper()
	args = append([]string{"diff", "kustomization", name, "--namespace=" + w.Namespace, "--kubeconfig=" + credentials, "--output=json"}, args...)
	cmd := exec.CommandContext(w.T.Context(), binary, args...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		w.T.Fatal(err)
	} else if ok && len(out) == 0 {
		w.T.Fatal(string(exit.Stderr))
	}
	var report preview.Report
	if err := json.Unmarshal(out, &report); err != nil || len(report.Results) != 1 {
		w.T.Fatalf("%v: %s", err, out)
	}
	return report.Results[0], cmd.ProcessState.ExitCode()
}

// A tag, a digest, and what is applied although its tag has moved on.
func TestPreviewOfAnOCIRepository(t *testing.T) {
	w := newWorld(t)
	r := w.registry(upstream.RegistryOptions{})
	first := w.push(r, "apps/web", "1.0.0", files{"config.yaml": configMap("web", "1")})
	second := w.push(r, "apps/web", "2.0.0", files{"config.yaml": configMap("web", "2")})
	w.source("OCIRepository", "web", ociURL(r, "apps/web"), "ref: {tag: 1.0.0}")
	w.apply("web", "OCIRepository", "web")
	w.Wait(harness.Kustomized, "web", applied(first))

	same, code := w.foresee("web")
	world.Equal(t, "what is applied", []any{0, 0, first}, []any{code, same.Changed(), same.Revision})
	want := []forecast.Field{{Path: "data.key", Old: "1", New: "2"}}
	tag, code := w.foresee("web", "--revision=2.0.0")
	world.Equal(t, "a tag", []any{1, second, want}, []any{code, tag.Revision, tag.Objects[0].Change})
	digest, _ := w.foresee("web", "--revision="+second)
	world.Equal(t, "a revision", want, digest.Objects[0].Change)

	w.push(r, "apps/web", "1.0.0", files{"config.yaml": configMap("web", "3")})
	moved, _ := w.foresee("web")
	world.Equal(t, "what the tag is now", []forecast.Field{{Path: "data.key", Old: "1", New: "3"}}, moved.Objects[0].Change)
	world.Equal(t, "notes", []string(nil), moved.Notes)
	_, code = w.foresee("web", "--branch=main")
	world.Equal(t, "exit code for a branch", 2, code)
}
