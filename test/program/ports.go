package program

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken below those that the kernel hands to outgoing connections.
// Else one of these could take a port before the program does that it was found for,
// and a client that keeps dialling a server which is away could be given that very
// port, and talk to itself.
const (
	lowestPort  = 20000
	highestPort = 30000
)

// FreePorts finds n loopback ports that nobody listens on just now, for programs that
// have to be told theirs.
func FreePorts(n int) ([]int, error) {
	var ports []int
	var open []net.Listener // until all are found, so that none is found twice
	defer func() {
		for _, l := range open {
			_ = l.Close()
		}
	}()
	var errs []error
	for range 100 * n {
		if len(ports) == n {
			return ports, nil
		}
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		open, ports = append(open, l), append(ports, port)
	}
	return nil, fmt.Errorf("find free ports: %w", errors.Join(errs...))
}

// FreeAddress finds a loopback address, host and port, like [FreePorts].
func FreeAddress() (string, error) {
	ports, err := FreePorts(1)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0]), nil
}
