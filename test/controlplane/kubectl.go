package controlplane

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/fluxd/fluxd/test/program"
)

// Kubectl runs kubectl with the admin's rights and returns what it printed.
// What it complained of is in the error.
func (c *ControlPlane) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.KubectlInput(ctx, "", args...)
}

// KubectlInput is Kubectl with an input, for manifests that are applied from
// standard input with "-f", "-".
func (c *ControlPlane) KubectlInput(ctx context.Context, input string, args ...string) (string, error) {
	binary, err := Build(ctx, io.Discard)
	if err != nil {
		return "", err
	}
	cache, err := program.CacheDir("kubectl")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, binary, append([]string{"kubectl", "--cache-dir=" + cache}, args...)...)
	cmd.Env = []string{"KUBECONFIG=" + c.Kubeconfig(), "HOME=" + cache, "KUBERC=off"}
	cmd.Stdin = strings.NewReader(input)
	var output, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &complaint
	if err := cmd.Run(); err != nil {
		return output.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return output.String(), nil
}
