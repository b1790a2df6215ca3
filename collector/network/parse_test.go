package network

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/reading"
)

const netDev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:   95730    1639    0    0    0     0          0         0    95730    1639    0    0    0     0       0          0
  eth0: 1089995635   65201    1    2    0     0          0         0  5181348   46330    3    4    0     0       0          0
tap:7:       1       2    0    0    0     0          0         0        3       4    0    0    0     0       0          0
bad0: 1 2 3
`

func TestNetDev(t *testing.T) {
	names := map[string]string{}
	require.Equal(t, []reading.NetIO{
		{Interface: "eth0", RxBytes: 1089995635, RxPackets: 65201, RxErrors: 1, RxDropped: 2,
			TxBytes: 5181348, TxPackets: 46330, TxErrors: 3, TxDropped: 4},
		{Interface: "tap:7", RxBytes: 1, RxPackets: 2, TxBytes: 3, TxPackets: 4},
	}, appendNetDev([]byte(netDev), names, nil))

	dst := make([]reading.NetIO, 0, 8)
	text := []byte(netDev)
	require.Zero(t, testing.AllocsPerRun(100, func() { dst = appendNetDev(text, names, dst[:0]) }))
}

// message is a netlink message of that kind, as one of an answer to seq.
func message(kind uint16, seq uint32, body []byte) []byte {
	b := make([]byte, align(unix.SizeofNlMsghdr+len(body)))
	binary.NativeEndian.PutUint32(b, uint32(unix.SizeofNlMsghdr+len(body)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint32(b[8:], seq)
	copy(b[unix.SizeofNlMsghdr:], body)
	return b
}

// statsOf is the body of an answer about one interface: a foreign attribute, and
// counters 1 to 24.
func statsOf(index uint32) []byte {
	b := make([]byte, ifStatsMsgLen+8+attributeHeader+24*8)
	binary.NativeEndian.PutUint32(b[4:], index)
	binary.NativeEndian.PutUint16(b[ifStatsMsgLen:], 5) // an attribute of one byte, padded
	binary.NativeEndian.PutUint16(b[ifStatsMsgLen+2:], 9)
	a := b[ifStatsMsgLen+8:]
	binary.NativeEndian.PutUint16(a, uint16(len(a)))
	binary.NativeEndian.PutUint16(a[2:], statsLink64)
	for i := range uint64(24) {
		binary.NativeEndian.PutUint64(a[attributeHeader+8*i:], i+1)
	}
	return b
}

func TestStatsAnswer(t *testing.T) {
	answer := append(message(unix.RTM_NEWSTATS, 7, statsOf(3)), message(unix.RTM_NEWSTATS, 6, statsOf(4))...)
	links := map[int]reading.NetIO{}
	done, err := parseStats(answer, 7, links)
	require.NoError(t, err)
	require.False(t, done)
	require.Equal(t, map[int]reading.NetIO{3: {RxPackets: 1, TxPackets: 2, RxBytes: 3, TxBytes: 4,
		RxErrors: 5, TxErrors: 6, RxDropped: 7, TxDropped: 8}}, links, "an answer to an older request is left out")

	done, err = parseStats(message(unix.NLMSG_DONE, 7, make([]byte, 4)), 7, links)
	require.NoError(t, err)
	require.True(t, done)

	refusal := make([]byte, 4)
	binary.NativeEndian.PutUint32(refusal, 0xffffffff&^uint32(unix.EOPNOTSUPP)+1)
	_, err = parseStats(message(unix.NLMSG_ERROR, 7, refusal), 7, links)
	require.ErrorIs(t, err, unix.EOPNOTSUPP)
	_, err = parseStats(message(unix.NLMSG_ERROR, 7, nil), 7, links)
	require.EqualError(t, err, "interface counters: an error of 0 bytes")
	_, err = parseStats(answer[:40], 7, links)
	require.ErrorContains(t, err, "interface counters: a message of")
}

func FuzzNetDev(f *testing.F) {
	f.Add([]byte(netDev))
	f.Add([]byte("a:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, io := range appendNetDev(text, map[string]string{}, nil) {
			require.NotEmpty(t, io.Interface)
			require.NotEqual(t, "lo", io.Interface)
		}
	})
}

func FuzzStats(f *testing.F) {
	f.Add(message(unix.RTM_NEWSTATS, 1, statsOf(3)))
	f.Add(message(unix.NLMSG_ERROR, 1, nil))
	f.Fuzz(func(t *testing.T, answer []byte) {
		links := map[int]reading.NetIO{}
		_, _ = parseStats(answer, 1, links) // must not fail to end or reach beyond
		require.LessOrEqual(t, len(links)*(unix.SizeofNlMsghdr+ifStatsMsgLen), len(answer))
	})
}
