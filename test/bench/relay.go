package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"

	"k8s.io/client-go/tools/clientcmd"
)

// relay carries the connections of the subject to a server, and counts what goes over
// the wire.
type relay struct {
	listener net.Listener
	target   string
	down, up atomic.Int64 // bytes to the subject and from it
}

// newRelay listens on loopback until Close. The target is host:port.
func newRelay(target string) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("relay %s: %w", target, err)
	}
	r := &relay{listener: listener, target: target}
	go r.accept()
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

// Close accepts no more connections. Those that there are end with either of their ends.
func (r *relay) Close() error { return r.listener.Close() }

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go r.connect(near)
		}
	}
}

func (r *relay) connect(near net.Conn) {
	far, err := net.Dial("tcp", r.target)
	if err != nil {
		_ = near.Close() // as the server would refuse it
		return
	}
	go carry(far, near, &r.up)
	carry(near, far, &r.down)
}

// carry copies until from ends, and then ends to as well.
func carry(to, from net.Conn, carried *atomic.Int64) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			carried.Add(int64(n))
			if _, failed := to.Write(buffer[:n]); failed != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	// An HTTP server that ends a connection ends both directions, and so does a client.
	_, _ = to.Close(), from.Close()
}

// via returns the URL by which the subject reaches a server so that its bytes are
// counted.
func (b *bench) via(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("relay: %w", err)
	}
	if b.relays[u.Host] == nil {
		r, err := newRelay(u.Host)
		if err != nil {
			return "", err
		}
		b.relays[u.Host] = r
		b.closers = append(b.closers, r)
	}
	u.Host = b.relays[u.Host].address()
	return u.String(), nil
}

// viaHost is via for what is written as host:port.
func (b *bench) viaHost(host string) (string, error) {
	u, err := b.via("http://" + host)
	if err != nil {
		return "", err
	}
	return u[len("http://"):], nil
}

// fetched is how many bytes all servers but the API server have sent.
func (b *bench) fetched() int64 {
	sum := int64(0)
	for _, r := range b.relays {
		sum += r.down.Load()
	}
	return sum
}

// apiTraffic is how many bytes have gone to and from the API server.
func (b *bench) apiTraffic() int64 {
	if b.api == nil {
		return 0
	}
	return b.api.down.Load() + b.api.up.Load()
}

// relayed rewrites a kubeconfig so that the API server is reached through the relay.
func (b *bench) relayed(kubeconfig string) (path string, err error) {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return "", err
	}
	for _, cluster := range config.Clusters {
		server, err := url.Parse(cluster.Server)
		if err != nil {
			return "", err
		}
		if b.api == nil {
			if b.api, err = newRelay(server.Host); err != nil {
				return "", err
			}
			b.closers = append(b.closers, b.api)
		}
		server.Host = b.api.address()
		cluster.Server = server.String()
	}
	path = b.dir + "/kubeconfig"
	return path, clientcmd.WriteToFile(*config, path)
}
