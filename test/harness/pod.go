package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// podScript runs a program with the one file of a Pod that a controller needs to hold a
// Lease, which says what namespace it is in. The file is in a mount namespace of the
// program's own, which goes with it.
const podScript = `set -e
mount -t tmpfs tmpfs /var/run
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
printf %s "$RUNTIME_NAMESPACE" > /var/run/secrets/kubernetes.io/serviceaccount/namespace
exec "$0" "$@"`

// inPod returns cmd, in a mount namespace where it finds the namespace of its Pod. Who is
// not root may make one in a user namespace only, where the kernel forgets to end the
// program with its parent.
func inPod(cmd *exec.Cmd) *exec.Cmd {
	args := []string{"--mount"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--map-current-user", "--keep-caps")
	}
	args = append(append(args, "sh", "-c", podScript, cmd.Path), cmd.Args[1:]...)
	return exec.Command("unshare", args...)
}

// MountNamespaces returns why a controller of Flux cannot be made to believe that it is in
// a Pod here, nil if it can.
func MountNamespaces() error {
	cmd := inPod(exec.Command(filepath.Join("/", "bin", "true")))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "RUNTIME_NAMESPACE=default"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a mount namespace: %w: %s", err, out)
	}
	return nil
}
