package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// deploy/Dockerfile makes what this program makes: the same files for the same user, and
// the same command. No engine is needed to tell; that one can build it is not tried here.
func TestDockerfile(t *testing.T) {
	steps := instructions(t, "../../deploy/Dockerfile")
	last := steps[slices.Index(steps, "FROM scratch")+1:]
	nobody := fmt.Sprintf("%d:%d", nonroot, nonroot)
	want := []string{
		"COPY --from=build /root-of-image /",
		"COPY --from=build --chown=" + nobody + " /root-of-image/data /data",
		"USER " + nobody, "WORKDIR /", `ENTRYPOINT ["/fluxd"]`, `CMD ["run"]`,
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Error("(-want +got)", diff)
	}

	// What the build leaves in the root of the image, but for the program.
	at := slices.IndexFunc(steps, func(s string) bool { return strings.HasPrefix(s, "RUN cd /root-of-image && ") })
	root := t.TempDir()
	script := strings.Replace(steps[at], "RUN cd /root-of-image", "cd '"+root+"'", 1)
	if out, err := exec.CommandContext(t.Context(), "sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	unpacked, err := rootfs(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range contents(t, unpacked) {
		if name == "fluxd" {
			continue
		}
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if info.IsDir() {
			continue
		}
		if got := read(t, filepath.Join(root, name)); string(got) != string(f.data) {
			t.Errorf("%s is %q, not %q", name, got, f.data)
		}
	}
	if info, err := os.Stat(filepath.Join(root, "tmp")); err != nil || info.Mode()&os.ModeSticky == 0 || info.Mode().Perm() != 0o777 {
		t.Errorf("tmp is %v, %v", info, err)
	}
}

// instructions returns those of a Dockerfile, each as one line.
func instructions(t *testing.T, name string) []string {
	t.Helper()
	var all []string
	text := strings.ReplaceAll(string(read(t, name)), "\\\n", "")
	for line := range strings.Lines(text) {
		if line = strings.Join(strings.Fields(line), " "); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	for _, list := range all {
		if _, arguments, ok := strings.Cut(list, " ["); ok && !json.Valid([]byte("["+arguments)) {
			t.Errorf("%s: not a list", list)
		}
	}
	return all
}
