package forges

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluxd/fluxd/test/harness"
	"github.com/fluxd/fluxd/test/program"
)

// gitea is what the real forge is built from.
var gitea = program.Module{
	Dir: "test/gitea", Name: "fluxd-test-gitea", LinkFlags: "-s -w", Cache: "gitea", Title: "Gitea", Takes: "some minutes",
}

// Gitea is a real forge that runs: a user "me", with a token that may do everything,
// and an organisation "example".
type Gitea struct {
	URL, Token string

	process *program.Process
}

// ErrNoGitea says that there is no Gitea where none is to be built.
var ErrNoGitea = errors.New("no Gitea")

// built returns the program. Where CI is set it is not built, since that takes as long
// as all the tests: the cache has it or there is none.
func built(ctx context.Context, progress io.Writer) (string, error) {
	path, ok, err := gitea.Built(ctx)
	if err != nil || ok {
		return path, err
	}
	if os.Getenv("CI") != "" {
		return "", fmt.Errorf("%w: none is in the cache, and where CI is set none is built, which takes minutes: "+
			"`go test ./test/bootstrap` without CI does", ErrNoGitea)
	}
	return gitea.Build(ctx, progress)
}

// StartGitea starts Gitea, which is built first if need be, in a folder that it has for
// itself. It runs until Close. The error is an [ErrNoGitea] where none is built.
func StartGitea(ctx context.Context, dir string, progress io.Writer) (*Gitea, error) {
	binary, err := built(ctx, progress)
	if err != nil {
		return nil, err
	}
	config, url, err := configure(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("configure Gitea: %w", err)
	}
	if _, err := administer(ctx, binary, dir, config, "migrate"); err != nil {
		return nil, err
	}
	said, err := administer(ctx, binary, dir, config, "admin", "user", "create", "--username=me", "--password=Passw0rd-1", "--email=me@example.com",
		"--admin", "--must-change-password=false", "--access-token", "--access-token-scopes=all")
	if err != nil {
		return nil, err
	}
	_, token, found := strings.Cut(said, "successfully created... ")
	if !found {
		return nil, fmt.Errorf("Gitea names no token: %s", said)
	}
	g := &Gitea{URL: url, Token: strings.Fields(token)[0]}
	if g.process, err = program.Launch(binary, "web", []string{"--config=" + config}, dir, dir, environment(dir)...); err != nil {
		return nil, err
	}
	if err := g.ready(ctx); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// Close ends it.
func (g *Gitea) Close() error {
	g.process.Stop(5 * time.Second)
	return nil
}

// configure writes the configuration.
func configure(ctx context.Context, dir string) (file, url string, err error) {
	root, err := harness.Root()
	if err != nil {
		return "", "", err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "code.gitea.io/gitea")
	cmd.Dir, cmd.Env = filepath.Join(root, "test", "gitea"), append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	static, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("find its templates: %w", err)
	}
	ports, err := program.FreePorts(2)
	if err != nil {
		return "", "", err
	}
	file = filepath.Join(dir, "app.ini")
	url = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	text := fmt.Sprintf(configFormat, dir, bytes.TrimSpace(static), ports[0], url, ports[1], ports[1], filepath.Join(dir, "gitea.db"))
	return file, url, os.WriteFile(file, []byte(text), 0o600)
}

const configFormat = `RUN_MODE = prod
WORK_PATH = %s
[server]
STATIC_ROOT_PATH = %s
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %d
ROOT_URL = %s/
START_SSH_SERVER = true
BUILTIN_SSH_SERVER_USER = git
SSH_DOMAIN = 127.0.0.1
SSH_LISTEN_HOST = 127.0.0.1
SSH_PORT = %d
SSH_LISTEN_PORT = %d
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = %s
[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2_v1
[service]
DISABLE_REGISTRATION = true
[cron]
ENABLED = false
[actions]
ENABLED = false
[log]
LEVEL = warn
`

// environment lets it run as whoever runs the tests, in its own folder.
func environment(dir string) []string {
	return []string{"GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT=true", "GITEA_WORK_DIR=" + dir, "GITEA_CUSTOM=" + dir, "HOME=" + dir, "USER=git", "PATH=" + os.Getenv("PATH")}
}

// administer runs one command and returns what it says.
func administer(ctx context.Context, binary, dir, config string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, append([]string{"--config=" + config}, args...)...)
	cmd.Dir, cmd.Env = dir, environment(dir)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gitea %s: %w: %s", args[0], err, said)
	}
	return string(said), nil
}

// ready waits until it answers, and makes the organisation.
func (g *Gitea) ready(ctx context.Context) error {
	err := program.Poll(ctx, func(ctx context.Context) error {
		select {
		case <-g.process.Done():
			return g.process.Ended()
		default:
		}
		return g.Call(ctx, http.MethodGet, "/version", nil, nil)
	})
	if err != nil {
		return fmt.Errorf("wait for Gitea: %w", err)
	}
	return g.Call(ctx, http.MethodPost, "/orgs", map[string]any{"username": "example"}, nil)
}

// Call asks the API, as the tests do to look behind the scenes.
func (g *Gitea) Call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, g.URL+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "token "+g.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
