package join

import "net/netip"

// Where the server answers, below the address of the API.
const (
	// PathCA is the authority's certificate in PEM, for everyone.
	PathCA = "/lubberline/v1/ca"
	// PathJoin takes a Request; the token in it or the connection's certificate
	// says whose it is.
	PathJoin = "/lubberline/v1/join"
	// PathWrite takes the nodes' samples by Prometheus' remote write.
	PathWrite = "/lubberline/v1/write"
)

// Request is what a machine asks for.
type Request struct {
	// Token is empty where a node renews its certificates.
	Token string `json:"token,omitempty"`
	// Node is the name that the machine wants to have.
	Node string `json:"node"`
	// Client and Server are certificate requests in PEM. Only their keys count.
	Client string `json:"client"`
	Server string `json:"server"`
	// Address is where the machine serves its part of the API. It must be the
	// one that the request comes from; empty is that one.
	Address string `json:"address,omitempty"`
}

// Answer is what it gets.
type Answer struct {
	// Client and Server are certificates in PEM.
	Client string `json:"client"`
	Server string `json:"server"`
	// Address is the machine's, as the server sees it.
	Address netip.Addr `json:"address"`
	Cluster Cluster    `json:"cluster"`
}

// Cluster is what every node needs to know of the cluster.
type Cluster struct {
	Pods     netip.Prefix `json:"pods"`
	Services netip.Prefix `json:"services"`
	DNS      netip.Addr   `json:"dns"`
	Domain   string       `json:"domain"`
	// Logs is where log records are taken by the forward protocol over TLS from
	// those who show a node's certificate; empty for nowhere.
	Logs string `json:"logs,omitempty"`
	// Metrics is false where no samples are taken.
	Metrics bool `json:"metrics,omitempty"`
}
