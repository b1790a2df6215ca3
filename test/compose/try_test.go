package compose

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

func TestTry(t *testing.T) {
	peers.RequireReal(t)
	begin := time.Now()
	s := newStack(t, "collector", "demo", "aggregator")
	fmt.Println("images", time.Since(begin))
	fmt.Println(s.docker.CLI(t, "images"))
	defer func() {
		fmt.Println(s.compose("ps", "-a"))
		fmt.Println(s.compose("logs", "--no-color", "--tail", "30"))
	}()
	s.compose("up", "-d", "--no-build")
	fmt.Println("up", time.Since(begin))
	require.Eventually(t, func() bool {
		x, err := s.query("container_cpu_usage_seconds_total")
		fmt.Println(len(x), err)
		return len(x) > 8
	}, 30*time.Second, time.Second)
	x, err := s.query("container_cpu_usage_seconds_total")
	for _, m := range x {
		fmt.Println(m)
	}
	fmt.Println(err)
}
