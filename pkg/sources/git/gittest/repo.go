package gittest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Repo is a bare repository that can be committed to without a work tree.
type Repo struct {
	// Dir is where the repository is, Name its path below the server's root.
	Dir, Name string
}

// NewRepo creates an empty bare repository at root/name.git.
func NewRepo(ctx context.Context, root, name string) (*Repo, error) {
	r := &Repo{Dir: filepath.Join(root, name+".git"), Name: name + ".git"}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the repository %s: %w", name, err)
	}
	if _, err := r.git(ctx, nil, "init", "--quiet", "--bare", "--initial-branch=main"); err != nil {
		return nil, err
	}
	_, err := r.git(ctx, nil, "config", "http.receivepack", "true")
	return r, err
}

// Commit writes files to a branch, on top of what is there, and returns the
// commit's id. An empty content deletes the file; a name that ends with @ is a
// symbolic link to its content; one that ends with * is executable.
func (r *Repo) Commit(ctx context.Context, branch, message string, files map[string]string) (string, error) {
	var b bytes.Buffer
	ref := "refs/heads/" + branch
	fmt.Fprintf(&b, "commit %s\ncommitter Test <test@example.com> now\ndata %d\n%s\n", ref, len(message), message)
	if parent, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", ref); err == nil {
		fmt.Fprintf(&b, "from %s\n", strings.TrimSpace(parent))
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content, mode := files[name], "100644"
		switch {
		case content == "":
			fmt.Fprintf(&b, "D %s\n", name)
			continue
		case strings.HasSuffix(name, "@"):
			name, mode = strings.TrimSuffix(name, "@"), "120000"
		case strings.HasSuffix(name, "*"):
			name, mode = strings.TrimSuffix(name, "*"), "100755"
		}
		fmt.Fprintf(&b, "M %s inline %s\ndata %d\n%s\n", mode, name, len(content), content)
	}
	if _, err := r.git(ctx, &b, "fast-import", "--quiet", "--force", "--date-format=now"); err != nil {
		return "", err
	}
	return r.Head(ctx, ref)
}

// Head returns the commit that a reference stands for.
func (r *Repo) Head(ctx context.Context, ref string) (string, error) {
	out, err := r.git(ctx, nil, "rev-parse", "--verify", ref+"^{commit}")
	return strings.TrimSpace(out), err
}

// Tag creates a tag of a commit: an annotated one if message is not empty.
func (r *Repo) Tag(ctx context.Context, name, commit, message string) error {
	args := []string{"tag", "--force", name, commit}
	if message != "" {
		args = []string{"tag", "--force", "--annotate", "--message", message, name, commit}
	}
	_, err := r.git(ctx, nil, args...)
	return err
}

// Git runs git in the repository and returns what it prints.
func (r *Repo) Git(ctx context.Context, args ...string) (string, error) {
	return r.git(ctx, nil, args...)
}

func (r *Repo) git(ctx context.Context, stdin *bytes.Buffer, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=Test", "GIT_AUTHOR_EMAIL=test@example.com",
		"GIT_COMMITTER_NAME=Test", "GIT_COMMITTER_EMAIL=test@example.com")
	if stdin != nil {
		cmd.Stdin = stdin
	}
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(problem.String()))
	}
	return out.String(), nil
}
