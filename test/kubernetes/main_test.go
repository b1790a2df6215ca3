package kubernetes

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	single "github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/peers"
)

// shared is the machine that tests use together, each in namespaces of its own.
var shared = struct {
	once sync.Once
	m    *machine
	err  error
}{m: newMachine(0)}

// atOnce is how many scenarios run at the same time. They wait most of the time,
// whatever the number of cores.
const atOnce = "6"

// TestMain takes away what the tests have left running, also after a failure.
func TestMain(m *testing.M) {
	if !peers.Real() {
		os.Exit(m.Run())
	}
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	unlock, err := single.Lock("kubernetes")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := shared.m.Clean(); err != nil {
		fmt.Fprintln(os.Stderr, "clean up:", err)
		code = 1
	}
	unlock()
	os.Exit(code)
}

// sharedMachine is started by the first test that wants it.
func sharedMachine(t *testing.T) *machine {
	t.Helper()
	peers.RequireReal(t)
	shared.once.Do(func() { shared.err = shared.m.Boot() })
	require.NoError(t, shared.err)
	require.False(t, shared.m.Ended(), "the program has ended")
	return shared.m
}
