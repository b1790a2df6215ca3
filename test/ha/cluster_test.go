// Package ha tests several control hosts on one external etcd, and upgrades.
package ha

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/test/lab"
)

// cluster is two control hosts, n1 and n2, and a node, n3.
type cluster struct {
	*lab.Fleet
	etcd *etcd
}

// newCluster starts both control hosts at the same moment, on an etcd that has
// nothing, and has the node join.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("the same on all control hosts\n"), 0o600))
	c := &cluster{etcd: newEtcd(t)}
	c.Fleet = lab.MakeFleet(t, lab.Plan{Name: "ha", On: []int{1, 1, 1}, Aggregator: "alerts: {interval: 2s}", Orchestrator: func(h *lab.Host) string {
		if h.Name == "n3" {
			return ""
		}
		return c.etcd.configuration(secret)
	}})
	c.etcd.startOn(c.Hub)
	for _, h := range c.control() {
		require.NoError(t, h.Start("up"))
	}
	for _, h := range c.control() {
		require.NoError(t, h.Ready())
	}
	command, err := c.Hosts[0].Prints("(?m)join with: lubberline (join .*)$")
	require.NoError(t, err)
	c.Join = strings.Fields(command[1])
	require.NoError(t, c.Hosts[2].Start(c.Join...))
	require.NoError(t, c.Hosts[2].Ready())
	require.NoError(t, c.Each((*lab.Host).Imports))
	return c
}

func (c *cluster) control() []*lab.Host { return c.Hosts[:2] }

// on runs kubectl with a control host's own kubeconfig.
func on(h *lab.Host, args ...string) (string, error) {
	return h.Lubberline(append([]string{"kubectl", "--kubeconfig", h.Kubeconfig()}, args...)...)
}

// warning is what the API says of Endpoints.
var warning = regexp.MustCompile("(?m)^Warning: .*$")

// run runs a part of the test: what goes wrong ends that part.
func (c *cluster) run(name string, part func(t *testing.T)) {
	whole := c.T
	defer func() { c.T = whole }()
	whole.Run(name, func(t *testing.T) {
		c.T = t
		part(t)
	})
}

// becomes waits until kubectl prints that, asked on a control host.
func (c *cluster) becomes(h *lab.Host, want string, args ...string) {
	c.T.Helper()
	require.NoError(c.T, lab.Until(func() error {
		out, err := on(h, args...)
		out = warning.ReplaceAllString(out, "")
		if err == nil && strings.TrimSpace(out) != want {
			err = fmt.Errorf("kubectl %s on %s prints %q, not %q", strings.Join(args, " "), h.Name, strings.TrimSpace(out), want)
		}
		return err
	}))
}

// leader is the control host that leads, as another one sees it, and who does not.
func (c *cluster) leader(ask *lab.Host) (leads, waits *lab.Host) {
	c.T.Helper()
	require.NoError(c.T, lab.Until(func() error {
		name, err := on(ask, "-n", "kube-system", "get", "lease", "lubberline-leader", "-o", "jsonpath={.spec.holderIdentity}")
		if err != nil {
			return err
		}
		i := slices.IndexFunc(c.control(), func(h *lab.Host) bool { return h.Name == name })
		if i < 0 {
			return fmt.Errorf("the leader is %q", name)
		}
		leads, waits = c.Hosts[i], c.Hosts[1-i]
		return nil
	}))
	return leads, waits
}

// servers waits until the API's service leads to those hosts, and DNS's too.
func (c *cluster) servers(h *lab.Host, want ...*lab.Host) {
	c.T.Helper()
	var addresses []string
	for _, w := range want {
		addresses = append(addresses, w.Address)
	}
	list := strings.Join(addresses, " ")
	c.becomes(h, list, "get", "endpoints", "kubernetes", "-o", "jsonpath={.subsets[*].addresses[*].ip}")
	c.becomes(h, list, "get", "endpointslice", "kubernetes", "-o", "jsonpath={.endpoints[*].addresses[*]}")
	c.becomes(h, list, "-n", "kube-system", "get", "endpointslice", "kube-dns", "-o", "jsonpath={.endpoints[*].addresses[*]}")
}

// containers are those that run on a host: by id, their pod's name and when they
// were started.
func containers(h *lab.Host) (map[string]string, error) {
	conn, err := grpc.NewClient("unix://"+h.Socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := cri.NewRuntimeServiceClient(conn)
	list, err := client.ListContainers(ctx, &cri.ListContainersRequest{
		Filter: &cri.ContainerFilter{State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}},
	})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, one := range list.GetContainers() {
		status, err := client.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: one.GetId()})
		if err != nil {
			return nil, err
		}
		found[one.GetId()] = fmt.Sprint(one.GetLabels()["io.kubernetes.pod.name"], " ", status.GetStatus().GetStartedAt())
	}
	return found, nil
}
