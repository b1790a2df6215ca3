package network

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/reading"
)

// counters are all interfaces' counters in one network namespace, by index. The
// names in them are not set.
type counters struct {
	fd      int
	request []byte
	buffer  []byte
	links   map[int]reading.NetIO
	seq     uint32
}

// Sizes and numbers of the kernel's interface; see rtnetlink(7).
const (
	ifStatsMsgLen   = 12 // struct if_stats_msg
	statsLink64     = 1  // IFLA_STATS_LINK_64
	link64Len       = 8 * 8
	netlinkAlign    = 4
	attributeHeader = 4
)

// openCounters opens a socket in the namespace that the caller is in.
func openCounters() (*counters, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	c := &counters{fd: fd, buffer: make([]byte, 64<<10), links: map[int]reading.NetIO{}}
	timeout := unix.Timeval{Sec: 2}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("bind netlink socket: %w", err)
	}
	c.request = statsRequest()
	return c, nil
}

func (c *counters) close() { _ = unix.Close(c.fd) }

// statsRequest asks for the 64-bit counters of all interfaces.
func statsRequest() []byte {
	b := make([]byte, unix.SizeofNlMsghdr+ifStatsMsgLen)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETSTATS)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr+8:], 1<<(statsLink64-1)) // filter_mask
	return b
}

// refresh takes the counters of all interfaces. It allocates nothing once it
// has seen them. Interfaces that are gone leave links.
func (c *counters) refresh() error {
	c.seq++
	binary.NativeEndian.PutUint32(c.request[8:], c.seq)
	if _, err := unix.Write(c.fd, c.request); err != nil {
		return fmt.Errorf("ask for interface counters: %w", err)
	}
	clear(c.links)
	for {
		n, err := unix.Read(c.fd, c.buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read interface counters: %w", err)
		}
		done, err := parseStats(c.buffer[:n], c.seq, c.links)
		if done || err != nil {
			return err
		}
	}
}

// parseStats takes one datagram of the answer. Messages that answer an older
// request are left out.
func parseStats(b []byte, seq uint32, links map[int]reading.NetIO) (done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return false, fmt.Errorf("interface counters: a message of %d bytes in %d", size, len(b))
		}
		kind, body := binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size]
		current := binary.NativeEndian.Uint32(b[8:]) == seq
		b = b[min(align(size), len(b)):]
		switch {
		case !current:
		case kind == unix.NLMSG_DONE:
			return true, nil
		case kind == unix.NLMSG_ERROR:
			return false, netlinkError(body)
		case kind == unix.RTM_NEWSTATS:
			parseLink(body, links)
		}
	}
	return false, nil
}

func netlinkError(body []byte) error {
	if len(body) < 4 {
		return fmt.Errorf("interface counters: an error of %d bytes", len(body))
	}
	code := int32(binary.NativeEndian.Uint32(body))
	return fmt.Errorf("interface counters: %w", unix.Errno(-code))
}

// parseLink takes the counters of one interface: an if_stats_msg and attributes,
// of which one is a struct rtnl_link_stats64.
func parseLink(b []byte, links map[int]reading.NetIO) {
	if len(b) < ifStatsMsgLen {
		return
	}
	index := int(binary.NativeEndian.Uint32(b[4:]))
	for b = b[ifStatsMsgLen:]; len(b) >= attributeHeader; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < attributeHeader || size > len(b) {
			return
		}
		if binary.NativeEndian.Uint16(b[2:]) == statsLink64 && size >= attributeHeader+link64Len {
			links[index] = parseLink64(b[attributeHeader:])
		}
		b = b[min(align(size), len(b)):]
	}
}

func parseLink64(b []byte) reading.NetIO {
	at := func(i int) uint64 { return binary.NativeEndian.Uint64(b[8*i:]) }
	return reading.NetIO{
		RxPackets: at(0), TxPackets: at(1), RxBytes: at(2), TxBytes: at(3),
		RxErrors: at(4), TxErrors: at(5), RxDropped: at(6), TxDropped: at(7),
	}
}

func align(n int) int { return (n + netlinkAlign - 1) &^ (netlinkAlign - 1) }
