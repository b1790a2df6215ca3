package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Plan says what a cluster is made of.
type Plan struct {
	// Name keeps the machines of one set of tests apart from those of others; two
	// runs of the same wait for each other.
	Name string
	// On are the networks that the hosts are on, by number (1 to 254): hosts on
	// the same are on one link, others are behind a router. Host i+1 is called
	// nI and has 192.168.NETWORK.I.
	On []int
	// Interval is that of samples; 0 is a second.
	Interval time.Duration
	// Aggregator is more of the configuration's part of that name, as
	// "alerts: {interval: 1s}".
	Aggregator string
	// Pods is how many a host takes; 0 is as many as without a plan.
	Pods int
	// Orchestrator are further lines of the configuration's part of that name, for
	// a host; nil is none.
	Orchestrator func(h *Host) string
}

// Cluster is some machines and the network between them.
type Cluster struct {
	Hub   *Hub
	Hosts []*Host
	Join  []string // the command that `lubberline up` has printed, without the program

	release []func() error
}

// Make makes the machines and starts nothing on them. What an earlier run has
// left is removed first. A cluster that could not be made has left nothing.
func Make(p Plan) (c *Cluster, err error) {
	c = &Cluster{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Clean())
			c = nil
		}
	}()
	unlock, err := lock(p.Name)
	if err != nil {
		return c, err
	}
	c.release = append(c.release, unlock)
	if c.Hub, err = NewHub(p.On...); err != nil {
		return c, err
	}
	for i, network := range p.On {
		if err := c.add(p, fmt.Sprintf("n%d", i+1), network, fmt.Sprintf("192.168.%d.%d", network, i+1)); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *Cluster) add(p Plan, name string, network int, address string) error {
	h, err := newHost(p, name, address)
	if err != nil {
		return err
	}
	c.Hosts = append(c.Hosts, h)
	if err := h.Clean(); err != nil {
		return fmt.Errorf("leftovers of an earlier run: %w", err)
	}
	if err := c.Hub.Plug(name, h.Space, network, address); err != nil {
		return err
	}
	return h.Configure()
}

// Up starts the first host, which controls the cluster.
func (c *Cluster) Up() error {
	if err := c.Hosts[0].Start("up"); err != nil {
		return err
	}
	if err := c.Hosts[0].Ready(); err != nil {
		return err
	}
	command, err := c.Hosts[0].Prints("(?m)join with: lubberline (join .*)$")
	if err != nil {
		return err
	}
	c.Join = strings.Fields(command[1])
	return nil
}

// JoinAll has all others join and returns how long each took until its node was
// Ready.
func (c *Cluster) JoinAll() (took []time.Duration, err error) {
	for _, h := range c.Hosts[1:] {
		start := time.Now()
		if err := errors.Join(h.Start(c.Join...), h.Ready()); err != nil {
			return took, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// Each does something on all hosts at once.
func (c *Cluster) Each(do func(h *Host) error) error {
	var wait sync.WaitGroup
	errs := make([]error, len(c.Hosts))
	for i, h := range c.Hosts {
		wait.Go(func() { errs[i] = do(h) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Clean ends everything and leaves no trace.
func (c *Cluster) Clean() error {
	err := c.Each((*Host).Clean)
	for _, h := range c.Hosts {
		err = errors.Join(err, h.Close())
	}
	if c.Hub != nil {
		err = errors.Join(err, c.Hub.Close())
	}
	for _, h := range c.Hosts {
		_ = os.Remove(filepath.Dir(h.Dir)) // it is empty after the last
	}
	for _, release := range c.release {
		err = errors.Join(err, release())
	}
	return err
}

// Kubectl runs the real kubectl on the control host.
func (c *Cluster) Kubectl(args ...string) (string, error) {
	return c.Hosts[0].Lubberline(append([]string{"kubectl", "--kubeconfig", c.Hosts[0].Kubeconfig()}, args...)...)
}

// lock waits until no other run has clusters of that name.
func lock(name string) (unlock func() error, err error) {
	f, err := os.OpenFile(folder(name)+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
