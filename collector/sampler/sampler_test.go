package sampler

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/reading"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func TestTicksLieOnTheGridAndDoNotDrift(t *testing.T) {
	r := start(t, Options{})
	r.send(cgroup.Event{ID: "/b"})
	r.send(cgroup.Event{ID: "/a"})
	for i := 1; i <= 20; i++ {
		r.clock.pass(time.Duration(i)*10*time.Millisecond, 0)
		got := <-r.ticks
		require.True(t, got.time.Equal(at(i)), "tick %d is at %v", i, got.time)
		require.Equal(t, []string{"/a", "/b"}, got.ids)
	}
	r.View(func(tick time.Time, containers []*reading.Container) {
		require.True(t, tick.Equal(at(20)))
		require.Len(t, containers, 2)
		require.Equal(t, at(20).UnixNano(), containers[0].Sample.Time)
		n, ok := containers[0].Sample.Get(reading.CPUUsage)
		require.True(t, ok)
		require.EqualValues(t, 20, n)
		require.EqualValues(t, 20, containers[0].Sample.Devices[0].Reads)
	})
	require.Zero(t, testutil.ToFloat64(r.metrics.missed))
}

func TestALateTickIsLeftOutAndCounted(t *testing.T) {
	r := start(t, Options{})
	r.send(cgroup.Event{ID: "/a"})
	r.clock.pass(0, 0)
	require.True(t, (<-r.ticks).time.Equal(at(1)))
	r.clock.pass(3600*time.Millisecond, 0) // due at 2, comes at 5.6
	r.clock.pass(0, 0)
	require.True(t, (<-r.ticks).time.Equal(at(6)))
	require.EqualValues(t, 4, testutil.ToFloat64(r.metrics.missed))
	r.clock.pass(-time.Millisecond, 0) // early: the clock is being slowed
	r.clock.pass(0, 0)
	require.True(t, (<-r.ticks).time.Equal(at(7)))
	require.Zero(t, testutil.ToFloat64(r.metrics.clockSteps))
}

func TestTheClockIsSet(t *testing.T) {
	r := start(t, Options{})
	r.send(cgroup.Event{ID: "/a"})
	r.clock.pass(0, 0)
	require.True(t, (<-r.ticks).time.Equal(at(1)))

	r.clock.pass(0, time.Hour+200*time.Millisecond) // forward
	require.True(t, (<-r.ticks).time.Equal(at(3602)))
	require.EqualValues(t, 1, testutil.ToFloat64(r.metrics.clockSteps))
	require.Zero(t, testutil.ToFloat64(r.metrics.missed), "a set clock misses nothing")

	r.clock.pass(0, -3*time.Second) // back a little: 3600.0
	r.clock.pass(0, 0)
	r.clock.pass(0, 0)
	r.clock.pass(0, 0)
	got := <-r.ticks
	require.True(t, got.time.Equal(at(3603)), "%v: no time comes twice", got.time)
	require.False(t, got.realigned)

	r.clock.pass(0, -time.Hour) // back to the right time
	got = <-r.ticks
	require.True(t, got.time.Equal(at(4)))
	require.True(t, got.realigned)
	r.clock.pass(0, 0)
	got = <-r.ticks
	require.True(t, got.time.Equal(at(5)))
	require.False(t, got.realigned)
	require.Empty(t, r.ticks)
	require.EqualValues(t, 3, testutil.ToFloat64(r.metrics.clockSteps))
}

func TestGoneContainersAreToldOnce(t *testing.T) {
	r := start(t, Options{})
	r.send(cgroup.Event{ID: "/a"})
	r.send(cgroup.Event{ID: "/b"})
	r.send(cgroup.Event{ID: "/c"})
	r.clock.pass(0, 0)
	require.Equal(t, []string{"/a", "/b", "/c"}, (<-r.ticks).ids)

	r.send(cgroup.Event{Kind: cgroup.Removed, ID: "/a"})
	r.source.set("/b", true) // vanishes in mid-read, before the event comes
	r.clock.pass(0, 0)
	got := <-r.ticks
	require.Equal(t, []string{"/c"}, got.ids)
	require.Equal(t, []string{"/a", "/b"}, got.gone)
	require.Equal(t, 1, r.source.closings("/b"))
	require.Zero(t, testutil.ToFloat64(r.metrics.readErrors))

	r.send(cgroup.Event{Kind: cgroup.Removed, ID: "/b"})
	r.source.set("/b", false)
	r.send(cgroup.Event{ID: "/b"}) // made again
	r.clock.pass(0, 0)
	got = <-r.ticks
	require.Equal(t, []string{"/b", "/c"}, got.ids)
	require.Empty(t, got.gone)
	require.EqualValues(t, 2, testutil.ToFloat64(r.metrics.containers))
}

// slowResolver fails some times before it knows.
type slowResolver struct {
	mu    sync.Mutex
	calls int
}

func (s *slowResolver) Identify(_ context.Context, id string) (*reading.Identity, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.calls++; {
	case s.calls < 3:
		return &reading.Identity{Runtime: "docker", ContainerID: "4f"}, false, errors.New("the socket does not answer")
	default:
		return &reading.Identity{Runtime: "docker", ContainerID: "4f", Name: "web", PID: 7, RootDir: "/r"}, true, nil
	}
}

type recorder struct {
	mu      sync.Mutex
	tracked map[string]int
}

func (n *recorder) Refresh() error { return nil }
func (n *recorder) Track(id string, pid int, _ bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tracked[id] = pid
}
func (n *recorder) Forget(id string) { n.mu.Lock(); delete(n.tracked, id); n.mu.Unlock() }
func (n *recorder) Read(id string, dst []reading.NetIO) []reading.NetIO {
	return append(dst, reading.NetIO{Interface: id})
}
func (n *recorder) pid(id string) int { n.mu.Lock(); defer n.mu.Unlock(); return n.tracked[id] }

func TestNamesComeWhenTheyAreKnown(t *testing.T) {
	resolver, network := &slowResolver{}, &recorder{tracked: map[string]int{}}
	r := start(t, Options{Resolver: resolver, Network: network})
	r.send(cgroup.Event{ID: "/docker/4f"})
	r.clock.pass(0, 0)
	<-r.ticks
	require.Eventually(t, func() bool { return network.pid("/docker/4f") == 7 }, 5*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return testutil.ToFloat64(r.metrics.unresolved) == 0 }, 5*time.Second, time.Millisecond)
	require.Equal(t, 3, resolver.calls, "no question after the final answer")
	r.View(func(_ time.Time, containers []*reading.Container) {
		require.Equal(t, "web", containers[0].Identity.Name)
		require.Equal(t, "/docker/4f", containers[0].Sample.Interfaces[0].Interface)
	})
	r.SetIdentity(context.Background(), "/docker/4f", &reading.Identity{Runtime: "docker", Name: "web2"})
	r.View(func(_ time.Time, containers []*reading.Container) {
		require.Contains(t, []string{"web", "web2"}, containers[0].Identity.Name)
	})
	r.send(cgroup.Event{Kind: cgroup.Removed, ID: "/docker/4f"})
	require.Zero(t, network.pid("/docker/4f"))
}

func TestReadyAfterTheFirstWalk(t *testing.T) {
	r := start(t, Options{})
	r.clock.pass(0, 0)
	<-r.ticks
	select {
	case <-r.Ready():
		require.Fail(t, "ready before the cgroups were walked")
	default:
	}
	r.send(cgroup.Event{ID: "/a"})
	r.send(cgroup.Event{Kind: cgroup.Walked})
	r.clock.pass(0, 0)
	<-r.ticks
	<-r.Ready()
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{})
	require.EqualError(t, err, "sampler: no source of cgroups")
	_, err = New(Options{Groups: newFakeSource(), Interval: time.Millisecond})
	require.EqualError(t, err, "sampler: interval 1ms is below 100ms")
	registry := prometheus.NewRegistry()
	_, err = New(Options{Groups: newFakeSource(), Registerer: registry})
	require.NoError(t, err)
	n, err := testutil.GatherAndCount(registry)
	require.NoError(t, err)
	require.Equal(t, 9, n, "all metrics are there from the start")
	_, err = New(Options{Groups: newFakeSource(), Registerer: registry})
	require.ErrorContains(t, err, "register metrics of the sampler")
}

func TestGridBeginsFiner(t *testing.T) {
	g := grid{interval: int64(5 * time.Second), start: int64(time.Second)}
	start := time.Unix(1002, 300e6)
	var taken []int64
	for i := range 14 {
		now := start.Add(time.Duration(i) * time.Second).Truncate(time.Second)
		if d := g.decide(now, now.Sub(start)); d.take {
			require.Zero(t, d.missed)
			taken = append(taken, d.at/1e9)
		}
	}
	require.Equal(t, []int64{1002, 1003, 1004, 1005, 1010, 1015}, taken)
	require.Equal(t, 5*time.Second, g.next(time.Unix(1015, 0)))
}
