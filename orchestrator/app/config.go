package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/orchestrator/apiserver/access"
)

// Config is the orchestrator's part of the configuration file.
type Config struct {
	// Enabled is false where only the monitoring is wanted.
	Enabled bool `yaml:"enabled"`
	// API is where the Kubernetes API is served, by TLS. It is served on the
	// node's address too, for pods and other machines.
	API string `yaml:"api"`
	// Address is this machine's, as other nodes and pods reach it; empty is the
	// pod bridge's own, which only this machine has.
	Address string `yaml:"address"`
	// KubeletPort is that of the node agent on Address.
	KubeletPort int `yaml:"kubelet_port"`
	// LogsPort is where the collectors of joined machines ship logs, on Address;
	// 0 is none. Samples go to the API's port.
	LogsPort int           `yaml:"logs_port"`
	Network  NetworkConfig `yaml:"network"`
	Runtime  RuntimeConfig `yaml:"runtime"`
	DNS      DNSConfig     `yaml:"dns"`
	// NodeGracePeriod is how long a node may be silent before it is taken for
	// lost.
	NodeGracePeriod time.Duration `yaml:"node_grace_period"`
	// StoreSize is how large the embedded store may become; it refuses writes then.
	StoreSize config.Size `yaml:"store_size"`
	// Etcd is an external cluster, in place of the embedded store.
	Etcd *EtcdConfig `yaml:"etcd"`
	// Roles are given beside the built-in ones.
	Roles []access.Binding `yaml:"roles"`
}

// NetworkConfig is the addresses of pods and services.
type NetworkConfig struct {
	// Bridge is the interface that this machine's pods are on.
	Bridge string `yaml:"bridge"`
	// Pods holds the addresses of all pods, Node those of this machine's.
	Pods netip.Prefix `yaml:"pods"`
	Node netip.Prefix `yaml:"node"`
	// Services holds the cluster IPs; the first is the API's, the tenth the DNS'.
	Services netip.Prefix `yaml:"services"`
	// LoadBalancerPool has the addresses of services of type LoadBalancer; empty
	// gives them those of the nodes.
	LoadBalancerPool []netip.Prefix `yaml:"load_balancer_pool"`
	// Domain is the DNS domain of services.
	Domain string `yaml:"domain"`
}

// RuntimeConfig is what runs the containers.
type RuntimeConfig struct {
	// Socket is that of a CRI runtime which runs already; empty starts ours.
	Socket string `yaml:"socket"`
	// Programs is the folder of the bundled runtime; empty looks beside the
	// program.
	Programs string `yaml:"programs"`
	// PodLogs is where the pods' log files are.
	PodLogs string `yaml:"pod_logs"`
	// CgroupRoot is the cgroup below which kubepods is made.
	CgroupRoot string `yaml:"cgroup_root"`
	// MaxPods is how many pods the node takes.
	MaxPods int `yaml:"max_pods"`
}

// EtcdConfig is an etcd cluster.
type EtcdConfig struct {
	Endpoints []string `yaml:"endpoints"`
	CertFile  string   `yaml:"cert_file"`
	KeyFile   string   `yaml:"key_file"`
	CAFile    string   `yaml:"ca_file"`
	// SecretFile holds what seals the cluster's keys in etcd; control hosts with
	// the same are control hosts of one cluster. Empty has only one.
	SecretFile string `yaml:"secret_file"`
}

// DefaultConfig is what holds where the file says nothing.
func DefaultConfig() Config {
	return Config{
		Enabled: true, API: "127.0.0.1:6443", KubeletPort: 10250, LogsPort: 24224,
		Network: NetworkConfig{
			Bridge: "lubber0", Pods: netip.MustParsePrefix("10.244.0.0/16"), Node: netip.MustParsePrefix("10.244.0.0/24"),
			Services: netip.MustParsePrefix("10.96.0.0/16"), Domain: "cluster.local",
		},
		Runtime: RuntimeConfig{PodLogs: "/var/log/pods", CgroupRoot: "/", MaxPods: 250},
		DNS:     defaultDNS(),

		NodeGracePeriod: 40 * time.Second,
		StoreSize:       2 << 30,
	}
}

// minNodeGracePeriod lets one report of a node be late.
const minNodeGracePeriod = 20 * time.Second

// minStoreSize has room for what every cluster has, and for objects of 3 MiB.
const minStoreSize config.Size = 32 << 20

// maxInterfaceName is the longest name of a network interface.
const maxInterfaceName = 15

// Validate reports everything that is wrong, each with its key and value.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(c.API); err != nil {
		fail("api: %q: want HOST:PORT", c.API)
	}
	if _, err := netip.ParseAddr(c.Address); c.Address != "" && err != nil {
		fail("address: %q: want an IP address", c.Address)
	}
	if c.KubeletPort < 0 || c.KubeletPort > 65535 {
		fail("kubelet_port: %d: want 0 to 65535", c.KubeletPort)
	}
	if c.LogsPort < 0 || c.LogsPort > 65535 {
		fail("logs_port: %d: want 0 to 65535", c.LogsPort)
	}
	if c.NodeGracePeriod < minNodeGracePeriod {
		fail("node_grace_period: %s: want at least %s, for nodes report every 10s", c.NodeGracePeriod, minNodeGracePeriod)
	}
	if c.StoreSize < minStoreSize {
		fail("store_size: %s: want at least %s", c.StoreSize, minStoreSize)
	}
	if c.Runtime.MaxPods < 1 {
		fail("runtime.max_pods: %d: want at least 1", c.Runtime.MaxPods)
	}
	if !filepath.IsAbs(c.Runtime.PodLogs) {
		fail("runtime.pod_logs: %q: want an absolute path", c.Runtime.PodLogs)
	}
	if !strings.HasPrefix(c.Runtime.CgroupRoot, "/") {
		fail("runtime.cgroup_root: %q: want a path that starts with /", c.Runtime.CgroupRoot)
	}
	if c.Etcd != nil && len(c.Etcd.Endpoints) == 0 {
		fail("etcd.endpoints: missing")
	}
	if c.Etcd != nil && c.Etcd.SecretFile != "" && c.Address == "" {
		fail("address: missing: with etcd.secret_file other control hosts and nodes must reach this one")
	}
	for i, role := range c.Roles {
		if err := role.Validate(); err != nil {
			fail("roles[%d]: %w", i, err)
		}
	}
	return errors.Join(append(errs, c.Network.validate(), c.DNS.validate())...)
}

func (n *NetworkConfig) validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("network."+format, args...)) }
	if n.Bridge == "" || len(n.Bridge) > maxInterfaceName {
		fail("bridge: %q: want 1 to %d characters", n.Bridge, maxInterfaceName)
	}
	for key, prefix := range map[string]netip.Prefix{"pods": n.Pods, "node": n.Node, "services": n.Services} {
		if !prefix.IsValid() || !prefix.Addr().Is4() || prefix.Bits() > 28 {
			fail("%s: %q: want an IPv4 network of at least 16 addresses", key, prefix)
		}
	}
	if !n.Pods.Contains(n.Node.Addr()) || n.Node.Bits() < n.Pods.Bits() {
		fail("node: %s: not within network.pods %s", n.Node, n.Pods)
	}
	if n.Pods.Overlaps(n.Services) {
		fail("services: %s: overlaps network.pods %s", n.Services, n.Pods)
	}
	for i, prefix := range n.LoadBalancerPool {
		switch {
		case !prefix.IsValid() || !prefix.Addr().Is4():
			fail("load_balancer_pool[%d]: %q: want an IPv4 network", i, prefix)
		case prefix.Overlaps(n.Pods) || prefix.Overlaps(n.Services):
			fail("load_balancer_pool[%d]: %s: overlaps network.pods %s or network.services %s", i, prefix, n.Pods, n.Services)
		}
	}
	if n.Domain == "" {
		fail("domain: missing")
	}
	return errors.Join(errs...)
}
