package apiserver

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// With an API on all addresses the node's own is among them.
func TestAListenerOnAllAddressesCoversTheOthers(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	require.NoError(t, free.Close())
	for _, all := range []string{"0.0.0.0", "", "::"} {
		l, err := listen([]string{net.JoinHostPort(all, port), "127.0.0.1:" + port})
		require.NoError(t, err)
		require.Len(t, l.(*listeners).all, 1)
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.NoError(t, l.Close())
	}
	_, err = listen([]string{"127.0.0.1:" + port, "127.0.0.1:" + port})
	require.ErrorContains(t, err, "address already in use")
}
