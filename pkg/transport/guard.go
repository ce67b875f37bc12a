package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrAddress says that an address must not be connected to.
var ErrAddress = errors.New("address refused")

// services are addresses at which clouds serve credentials to whoever asks.
var services = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("169.254.169.252"), netip.MustParseAddr("169.254.170.2"), netip.MustParseAddr("169.254.170.23"),
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd00:ec2::23"),
	netip.MustParseAddr("169.254.0.23"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("192.0.0.192"),
}

// translated is the well-known prefix behind which gateways reach IPv4 addresses
// (RFC 6052).
var translated = netip.MustParsePrefix("64:ff9b::/96")

// ServesCredentials says whether clouds serve credentials at an address.
func ServesCredentials(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if translated.Contains(a) {
		bytes := a.As16()
		a = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	for _, s := range services {
		if a == s {
			return true
		}
	}
	return false
}

// Guard refuses to connect to an address that [ServesCredentials]. It is the Control of
// a [net.Dialer], which asks it after names were resolved.
func Guard(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || ServesCredentials(to.Addr()) {
		return fmt.Errorf("%w: %s", ErrAddress, address)
	}
	return nil
}

// guardHost refuses a host that is such an address itself: through a proxy nobody else
// looks at it.
func guardHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil && ServesCredentials(a) {
		return fmt.Errorf("%w: %s", ErrAddress, host)
	}
	return nil
}
