package gittest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SSHServer serves the repositories below a directory over SSH.
type SSHServer struct {
	// Root is the directory, URL where it is served: ssh://git@host:port.
	Root, URL string
	// KnownHosts is a known_hosts file for the server, Identity a private key
	// that may log in, in PEM form.
	KnownHosts, Identity []byte

	listener net.Listener
	config   *ssh.ServerConfig
	mu       sync.Mutex // guards the fields below
	conns    map[net.Conn]struct{}
	allowed  map[string]bool // by their wire form
}

// ServeSSH starts a server on a free port of loopback, with fresh keys.
func ServeSSH(root string) (*SSHServer, error) {
	host, _, err := newKey()
	if err != nil {
		return nil, err
	}
	return ServeSSHAs(root, host)
}

// ServeSSHAs is ServeSSH with a key of the host that is given.
func ServeSSHAs(root string, host ssh.Signer) (*SSHServer, error) {
	user, identity, err := newKey()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve repositories over SSH: %w", err)
	}
	if root, err = filepath.Abs(root); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s := &SSHServer{
		Root: root, URL: "ssh://git@" + l.Addr().String(),
		KnownHosts: []byte(knownhosts.Line([]string{l.Addr().String()}, host.PublicKey()) + "\n"),
		Identity:   identity, listener: l, conns: make(map[net.Conn]struct{}),
		allowed: map[string]bool{string(user.PublicKey().Marshal()): true},
	}
	s.config = &ssh.ServerConfig{PublicKeyCallback: s.login}
	s.config.AddHostKey(host)
	go s.accept()
	return s, nil
}

func (s *SSHServer) login(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.allowed[string(key.Marshal())] {
		return nil, errors.New("unknown key")
	}
	return nil, nil
}

// Allow lets the key of a line of authorized_keys in as well.
func (s *SSHServer) Allow(line string) error {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return fmt.Errorf("allow a key: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed[string(key.Marshal())] = true
	return nil
}

// RepoURL returns the URL of a repository.
func (s *SSHServer) RepoURL(r *Repo) string { return s.URL + "/" + r.Name }

// NewIdentity returns a private key in PEM form that no server knows.
func NewIdentity() ([]byte, error) {
	_, identity, err := newKey()
	return identity, err
}

func newKey() (ssh.Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	return signer, pem.EncodeToMemory(block), err
}

// Close stops the server and drops its connections.
func (s *SSHServer) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	return s.listener.Close()
}

func (s *SSHServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		go s.serve(conn)
	}
}

func (s *SSHServer) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions are served")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go s.session(channel, requests)
	}
}

// session runs the one command that a client asks for.
func (s *SSHServer) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for req := range requests {
		if req.Type != "exec" {
			_ = req.Reply(false, nil)
			continue
		}
		var body struct{ Command string }
		if err := ssh.Unmarshal(req.Payload, &body); err != nil {
			_ = req.Reply(false, nil)
			return
		}
		_ = req.Reply(true, nil)
		status := struct{ Status uint32 }{s.exec(channel, body.Command)}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		return
	}
}

func (s *SSHServer) exec(channel ssh.Channel, command string) uint32 {
	name, path, _ := strings.Cut(command, " ")
	service := strings.TrimPrefix(name, "git-")
	if service != "upload-pack" && service != "receive-pack" {
		return 127
	}
	dir := filepath.Join(s.Root, filepath.Clean("/"+strings.Trim(path, "'")))
	cmd := exec.Command("git", service, dir)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	stdin, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return 1
	}
	go func() {
		_, _ = io.Copy(stdin, channel)
		_ = stdin.Close()
	}()
	if cmd.Wait() != nil {
		return 128
	}
	return 0
}
