package bootstrap

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/fluxd/fluxd/test/harness"
)

// overSSH are the arguments to bootstrap from the repository over SSH.
func (w *world) overSSH(more ...string) []string {
	return append([]string{"bootstrap", "git", "--url=" + sshes.RepoURL(w.repo), "--path=" + edge, "--version=v1"}, more...)
}

// A key that is given pushes and is the cluster's. The key of the host is asked for.
func TestSSHWithAKey(t *testing.T) {
	w := newWorld(t, files{"README.md": "mine\n"})
	newKeeper(t)
	w.refused(w.overSSH(), "--private-key-file", "SSH agent")
	file := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(file, sshes.Identity, 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, w.fluxd(w.overSSH("--private-key-file="+file)...), "bootstrap finished")
	equal(t, "url", sshes.RepoURL(w.repo), text(w.get(harness.Sources, namespace, namespace), "spec", "url"))
	contains(t, w.fluxd("export", "gitrepository", "--with-secrets"), "identity:", "known_hosts:", "kind: GitRepository", "name: flux-system")
	contains(t, w.fluxd(w.overSSH("--private-key-file="+file)...), "up to date", "bootstrap finished")

	// Another host under the same address is not trusted.
	other := filepath.Join(t.TempDir(), "known_hosts")
	stranger, err := newSigner()
	if err != nil {
		t.Fatal(err)
	}
	host := strings.Fields(string(sshes.KnownHosts))[0]
	if err := os.WriteFile(other, []byte(host+" "+string(ssh.MarshalAuthorizedKey(stranger.PublicKey()))), 0o600); err != nil {
		t.Fatal(err)
	}
	w.refused(w.overSSH("--private-key-file="+file, "--known-hosts-file="+other), "host key verification failed")
}

func newSigner() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

// startAgent starts an SSH agent with one key, which the server lets in.
func startAgent(t *testing.T) (socket string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if err := sshes.Allow(string(ssh.MarshalAuthorizedKey(line))); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keys, conn) }() // ends with the connection
		}
	}()
	return socket
}

// The agent's key pushes. The cluster gets a key of its own, which is shown, and used
// once the person says that it was let in.
func TestSSHWithAnAgent(t *testing.T) {
	w := newWorld(t, nil)
	w.env = []string{"SSH_AUTH_SOCK=" + startAgent(t)}
	newKeeper(t)
	public, out := w.answers("y\n", w.overSSH("--ssh-key-algorithm=ed25519")...)
	contains(t, public, "ssh-ed25519 ")
	contains(t, out, "generated a key: ssh-ed25519 SHA256:", "Has it?", "bootstrap finished")

	// The key stays, and is shown again to whoever asks.
	again, out := w.answers("", w.overSSH()...)
	equal(t, "public key", public, again)
	contains(t, out, "the Secret flux-system/flux-system is there and stays", "bootstrap finished")
}

// answers runs fluxd, lets the key in that it shows, answers its question, and returns
// the key and what else it says.
func (w *world) answers(answer string, args ...string) (public, out string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig(), "HOME="+w.t.TempDir()), w.env...)
	shown, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	input, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	for lines := bufio.NewScanner(shown); lines.Scan(); {
		if key, ok := strings.CutPrefix(lines.Text(), "public key: "); ok {
			public = key
			if err := sshes.Allow(key); err != nil {
				w.t.Error(err)
			}
			_, _ = io.WriteString(input, answer) // it may not ask
			_ = input.Close()
		}
	}
	if err := cmd.Wait(); err != nil {
		w.t.Fatalf("%v\n%s", err, said.String())
	}
	return public, said.String()
}
