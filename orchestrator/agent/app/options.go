package app

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
)

// Options is what a node agent is made of.
type Options struct {
	// Client speaks as system:node:NAME of the group system:nodes, or as anyone
	// who may do as much.
	Client kubernetes.Interface
	// Informers are the program's; the agent asks for services in New. Pods of
	// this node are watched apart.
	Informers informers.SharedInformerFactory
	// Events are sent as the component "kubelet".
	Events record.EventRecorder
	// NodeName is the node's name, Addresses its addresses, the main one first.
	NodeName  string
	Addresses []string
	// Labels and Taints are put on the node when it is registered first.
	Labels map[string]string
	Taints []v1.Taint
	// PodCIDRs are the addresses of the pods on this node.
	PodCIDRs []string
	// Socket is the container runtime's.
	Socket string
	// Root is the agent's own folder; pods' volumes lie in Root/pods. Logs lie in
	// LogDir; empty: /var/log/pods.
	Root, LogDir string
	// ClusterDNS are the servers and ClusterDomain the domain of the cluster's
	// names; ResolvConf is the node's file, empty: /etc/resolv.conf.
	ClusterDNS    []string
	ClusterDomain string
	ResolvConf    string
	// Port is where the agent serves the kubelet's API; 10250 when zero.
	Port int32
	// Certificate is the server's, asked for with each connection, and ClientCAs
	// those of its clients' certificates. Without a certificate nothing is served.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	ClientCAs   func() *x509.CertPool
	// Handlers serve more paths, such as /metrics/cadvisor and /stats/.
	Handlers map[string]http.Handler
	// Reserved is what pods may not take of the machine; may be nil.
	Reserved v1.ResourceList
	// MaxPods is how many pods the node takes; 110 when 0.
	MaxPods int64
	// Cgroup is the group of all pods; empty: /kubepods.
	Cgroup string
	// Version is told in the node's info, such as v1.37.2.
	Version string
	// Starts bounds how many containers start at the same time; zero: by CPUs.
	Starts int
	Logger *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

const (
	defaultPort    = 10250
	defaultLogDir  = "/var/log/pods"
	defaultResolv  = "/etc/resolv.conf"
	defaultDomain  = "cluster.local"
	defaultVersion = "v1.37.2"
)

func (o *Options) complete() error {
	switch {
	case o.Client == nil || o.Informers == nil || o.Events == nil || o.Logger == nil:
		return errors.New("node agent: client, informers, events and logger are needed")
	case o.NodeName == "" || len(o.Addresses) == 0:
		return errors.New("node agent: the node's name and address are needed")
	case !filepath.IsAbs(o.Root):
		return fmt.Errorf("node agent: folder %q is not absolute", o.Root)
	}
	o.LogDir = cmp.Or(o.LogDir, defaultLogDir)
	o.ResolvConf = cmp.Or(o.ResolvConf, defaultResolv)
	o.ClusterDomain = cmp.Or(o.ClusterDomain, defaultDomain)
	o.Version = cmp.Or(o.Version, defaultVersion)
	o.Port = cmp.Or(o.Port, defaultPort)
	return nil
}

// localVolumes is the folder of the node's volumes of the class local-path.
func (o *Options) localVolumes() string { return filepath.Join(o.Root, "volumes") }
