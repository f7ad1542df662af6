package budget

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// Addresses are source addresses that many callers share, like that of a proxy.
type Addresses []netip.Prefix

// UnmarshalText reads a comma-separated list of addresses and networks, like "10.0.0.7,192.168.0.0/16".
func (a *Addresses) UnmarshalText(list []byte) error {
	*a = nil
	for text := range strings.SplitSeq(string(list), ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if address, err := netip.ParseAddr(text); err == nil {
			*a = append(*a, netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("%q is neither an IP address nor a network", text)
		}
		*a = append(*a, network.Masked())
	}
	return nil
}

// MarshalText writes the list.
func (a Addresses) MarshalText() ([]byte, error) {
	texts := make([]string, 0, len(a))
	for _, network := range a {
		if network.IsSingleIP() {
			texts = append(texts, network.Addr().String())
		} else {
			texts = append(texts, network.String())
		}
	}
	return []byte(strings.Join(texts, ",")), nil
}

func (a Addresses) contain(address netip.Addr) bool {
	for _, network := range a {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

// shares counts what each source address has of something.
type shares struct {
	limit  int
	exempt Addresses

	mutex sync.Mutex
	taken map[netip.Addr]int
}

func newShares(limit int, exempt Addresses) *shares {
	return &shares{limit: limit, exempt: exempt, taken: map[netip.Addr]int{}}
}

// take counts one more for a remote address, a host:port, and returns how to give it back; nil where the address has
// its share already. What it returns may be called more than once.
func (s *shares) take(remote string) func() {
	address, counts := countedSource(remote, s.exempt)
	if !counts {
		return func() {}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.taken[address] >= s.limit {
		return nil
	}
	s.taken[address]++
	return sync.OnceFunc(func() {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.taken[address]--
		if s.taken[address] == 0 {
			delete(s.taken, address)
		}
	})
}

// count is how many an address has.
func (s *shares) count(address netip.Addr) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.taken[address]
}

// countedSource returns what a remote address counts as, and false where it has no limit.
func countedSource(remote string, exempt Addresses) (netip.Addr, bool) {
	address, counts := sourceOf(remote)
	if !counts || exempt.contain(address) {
		return netip.Addr{}, false
	}
	if address.Is6() {
		// A host often has a whole network of 64 bits for itself.
		network, _ := address.Prefix(64)
		address = network.Addr()
	}
	return address, true
}

// sourceOf returns the IP address of a remote address. What has none is not counted.
func sourceOf(remote string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}, false
	}
	address, err := netip.ParseAddr(host)
	return address.Unmap().WithZone(""), err == nil
}
