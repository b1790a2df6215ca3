package ha

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/lab"
)

// crew runs on the node alone: control hosts are killed.
const crew = `
apiVersion: v1
kind: ReplicationController
metadata: {name: crew}
spec:
  replicas: 1
  selector: {app: crew}
  template:
    metadata: {labels: {app: crew}}
    spec:
      nodeSelector: {kubernetes.io/hostname: n3}
      terminationGracePeriodSeconds: 0
      containers:
      - {name: main, image: ` + lab.Image + `, command: [sleep, "1000000"]}
`

// TestControlHosts: two are one cluster from their first moment on, and lose
// nothing when one of them, or etcd, is away.
func TestControlHosts(t *testing.T) {
	c := newCluster(t)
	first, second := c.Hosts[0], c.Hosts[1]
	c.run("one cluster", func(t *testing.T) {
		ca := func(h *lab.Host) string {
			data, err := os.ReadFile(filepath.Join(h.Data(), "orchestrator/api/pki/ca.crt"))
			require.NoError(t, err)
			return string(data)
		}
		require.Equal(t, ca(first), ca(second))
		for _, h := range c.control() {
			c.servers(h, first, second)
			c.becomes(h, "True True True", "get", "nodes", "-o", `jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}`)
		}
		ranges := strings.Fields(c.Kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.podCIDR}"))
		slices.Sort(ranges)
		require.Len(t, slices.Compact(ranges), 3, "every node has its own addresses")
	})
	c.run("addresses of services are given once", c.servicesAtOnce)
	c.run("figures", c.figures)
	c.Apply(crew)
	c.becomes(first, "1", "get", "rc", "crew", "-o", "jsonpath={.status.readyReplicas}")
	for _, replicas := range []int{8, 3} {
		c.run(fmt.Sprintf("the leader is killed, %d replicas", replicas), func(t *testing.T) { c.leaderKilled(t, replicas) })
	}
	c.run("etcd", c.etcdAway)
	c.run("a control host is cut off", c.cutOff)
}

// servicesAtOnce makes services by both API servers at the same time.
func (c *cluster) servicesAtOnce(t *testing.T) {
	const each = 40
	var made sync.WaitGroup
	for _, h := range c.control() {
		made.Go(func() {
			var all strings.Builder
			for i := range each {
				fmt.Fprintf(&all, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s-%s-%d, labels: {of: race}}\nspec: {type: NodePort, ports: [{port: 80}]}\n", h.Name, i)
			}
			file := filepath.Join(t.TempDir(), h.Name)
			if err := os.WriteFile(file, []byte(all.String()), 0o600); err != nil {
				t.Error(err)
			}
			if _, err := on(h, "create", "-f", file); err != nil {
				t.Error(err)
			}
		})
	}
	made.Wait()
	for _, field := range []string{".spec.clusterIP", ".spec.ports[0].nodePort"} {
		values := strings.Fields(c.Kubectl("get", "services", "-l", "of=race", "-o", "jsonpath={.items[*]"+field+"}"))
		require.Len(t, values, 2*each)
		slices.Sort(values)
		require.Len(t, slices.Compact(values), 2*each, field)
	}
	wanted := make(chan error, 2)
	for _, h := range c.control() {
		go func() {
			_, err := on(h, "create", "service", "nodeport", "same-"+h.Name, "--tcp=80", "--node-port=32100")
			wanted <- err
		}()
	}
	a, b := <-wanted, <-wanted
	require.NotEqual(t, a == nil, b == nil, "one gets the port: %v, %v", a, b)
	for _, err := range []error{a, b} {
		if err != nil {
			require.ErrorContains(t, err, "provided port is already allocated")
		}
	}
	c.Kubectl("delete", "services", "-l", "of=race")
	c.Kubectl("delete", "services", "--ignore-not-found", "same-n1", "same-n2")
	_, err := on(c.Hosts[1], "create", "service", "nodeport", "again", "--tcp=80", "--node-port=32100")
	require.NoError(t, err, "what is given back can be had by the other server")
	c.Kubectl("delete", "service", "again")
}

// leaderKilled has the leader vanish while it works.
func (c *cluster) leaderKilled(t *testing.T, replicas int) {
	leads, waits := c.leader(c.Hosts[0])
	want := fmt.Sprint(replicas)
	_, err := on(waits, "scale", "rc", "crew", "--replicas="+want)
	require.NoError(t, err)
	leads.Kill()
	start := time.Now()
	require.NoError(t, lab.Until(func() error {
		name, err := on(waits, "-n", "kube-system", "get", "lease", "lubberline-leader", "-o", "jsonpath={.spec.holderIdentity}")
		if err == nil && name != waits.Name {
			err = fmt.Errorf("the leader is %s", name)
		}
		return err
	}))
	t.Logf("%s killed: %s leads after %v", leads.Name, waits.Name, time.Since(start))
	c.becomes(waits, want, "get", "rc", "crew", "-o", "jsonpath={.status.readyReplicas}")
	t.Logf("%s replicas ready after %v", want, time.Since(start))
	c.settled(t, waits, replicas)
	require.NoError(t, leads.Start("up"))
	require.NoError(t, leads.Ready())
	c.servers(waits, c.Hosts[0], c.Hosts[1])
}

// settled: there are so many pods, each bound once, and each runs once.
func (c *cluster) settled(t *testing.T, h *lab.Host, replicas int) {
	require.NoError(t, lab.Until(func() error {
		pods, err := on(h, "get", "pods", "-l", "app=crew", "-o", "jsonpath={.items[*].metadata.name}")
		if err != nil {
			return err
		}
		running, err := lab.Running(c.Hosts[2].Socket())
		if err != nil {
			return err
		}
		names := strings.Fields(pods)
		slices.Sort(names)
		slices.Sort(running)
		if len(names) != replicas || !slices.Equal(names, running) {
			return fmt.Errorf("pods %v, running %v", names, running)
		}
		return nil
	}))
	scheduled, err := on(h, "get", "events", "--field-selector", "reason=Scheduled", "-o", "jsonpath={.items[*].involvedObject.name}")
	require.NoError(t, err)
	names := strings.Fields(scheduled)
	slices.Sort(names)
	require.Equal(t, slices.Compact(slices.Clone(names)), names, "no pod is bound twice")
}

// etcdAway: one member's end is not noticed, and all being away only stops
// what needs them.
func (c *cluster) etcdAway(t *testing.T) {
	pids := []int{c.Hosts[0].PID(), c.Hosts[1].PID(), c.Hosts[2].PID()}
	c.etcd.kill(0)
	for _, h := range c.control() {
		require.NoError(t, lab.Until(func() error {
			_, err := on(h, "create", "configmap", "without-a-member-"+h.Name)
			return err
		}))
	}
	for i := range members {
		c.etcd.kill(i)
	}
	away := time.Now()
	require.NoError(t, lab.Until(func() error {
		if rest := 30*time.Second - time.Since(away); rest > 0 {
			return fmt.Errorf("etcd is away for another %v", rest)
		}
		return nil
	}))
	for i := range members {
		c.etcd.start(i)
	}
	c.etcd.answers()
	back := time.Now()
	_, waits := c.leader(c.Hosts[1])
	c.servers(waits, c.Hosts[0], c.Hosts[1])
	require.NoError(t, lab.Until(func() error {
		_, err := on(waits, "scale", "rc", "crew", "--replicas=5")
		return err
	}))
	c.becomes(waits, "5", "get", "rc", "crew", "-o", "jsonpath={.status.readyReplicas}")
	t.Logf("etcd is back: 5 replicas after %v", time.Since(back))
	c.settled(t, waits, 5)
	for i, h := range c.Hosts {
		require.False(t, h.Ended())
		require.Equal(t, pids[i], h.PID(), "nobody was started again")
	}
}

// cutOff: the other control host serves the node alone, and both are one
// cluster again when the cable is back.
func (c *cluster) cutOff(t *testing.T) {
	first, second := c.Hosts[0], c.Hosts[1]
	require.NoError(t, c.Hub.Cut("n1"))
	start := time.Now()
	c.servers(second, second)
	t.Logf("n1 cut off: it is no endpoint after %v", time.Since(start))
	require.NoError(t, lab.Until(func() error {
		_, err := on(second, "scale", "rc", "crew", "--replicas=2")
		return err
	}))
	c.becomes(second, "2", "get", "rc", "crew", "-o", "jsonpath={.status.readyReplicas}")
	c.settled(t, second, 2)
	c.becomes(second, "True", "get", "node", "n3", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	t.Logf("n1 cut off: the node follows n2 after %v", time.Since(start))
	require.NoError(t, c.Hub.Mend("n1"))
	c.servers(first, first, second)
	c.becomes(first, "True True True", "get", "nodes", "-o", `jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}`)
}
