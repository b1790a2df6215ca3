package environment

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestDNSPolicies(t *testing.T) {
	r, p := newRig(t), pod()
	r.o.DNS.ResolvConf = filepath.Join(t.TempDir(), "resolv.conf")
	require.NoError(t, os.WriteFile(r.o.DNS.ResolvConf, []byte("# c\nsearch old\nnameserver 192.0.2.53\nsearch example.org. .\noptions ndots:2 rotate\noptions ndots:3\n"), 0o600))
	f := func(policy corev1.DNSPolicy, hostNetwork bool, servers, searches, options string) {
		t.Helper()
		p.Spec.DNSPolicy, p.Spec.HostNetwork = policy, hostNetwork
		c, err := r.DNS(p)
		require.NoError(t, err)
		require.Equal(t, []string{servers, searches, options}, []string{strings.Join(c.Servers, " "), strings.Join(c.Searches, " "), strings.Join(c.Options, " ")})
	}
	cluster := "ns.svc.cluster.local svc.cluster.local cluster.local example.org"
	f(corev1.DNSClusterFirst, false, "10.96.0.10", cluster, "ndots:5")
	f(corev1.DNSClusterFirst, true, "192.0.2.53", "example.org", "ndots:3 rotate")
	f(corev1.DNSClusterFirstWithHostNet, true, "10.96.0.10", cluster, "ndots:5")
	f(corev1.DNSDefault, false, "192.0.2.53", "example.org", "ndots:3 rotate")
	f(corev1.DNSNone, false, "", "", "")

	p.Spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"1.1.1.1", "1.1.1.1"}, Searches: []string{"x.y"},
		Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: new("1")}, {Name: "edns0"}}}
	f(corev1.DNSNone, false, "1.1.1.1", "x.y", "ndots:1 edns0")
	f(corev1.DNSClusterFirst, false, "10.96.0.10 1.1.1.1", cluster+" x.y", "ndots:1 edns0")

	r.o.DNS.Servers = nil
	f(corev1.DNSClusterFirst, false, "192.0.2.53 1.1.1.1", "example.org x.y", "ndots:1 rotate edns0")
	require.Contains(t, <-r.events.Events, "MissingClusterDNS")
}

func TestResolverLimits(t *testing.T) {
	r, p := newRig(t), pod()
	p.Spec.DNSPolicy = corev1.DNSNone
	p.Spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"}}
	for i := range 40 {
		p.Spec.DNSConfig.Searches = append(p.Spec.DNSConfig.Searches, fmt.Sprintf("%d.%s", i, strings.Repeat("x", 80)))
	}
	c, err := r.DNS(p)
	require.NoError(t, err)
	require.Len(t, c.Servers, 3)
	require.Len(t, c.Searches, 24, "as many as fit in 2048 bytes")
	require.Contains(t, <-r.events.Events, "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 1.1.1.1 2.2.2.2 3.3.3.3")
	require.Contains(t, <-r.events.Events, "Search Line limits were exceeded")
}

func TestHostname(t *testing.T) {
	p := pod()
	f := func(want, domain string) {
		t.Helper()
		name, d, err := Hostname(p, "cluster.local")
		require.NoError(t, err)
		require.Equal(t, []string{want, domain}, []string{name, d})
	}
	f("web-1", "")
	p.Spec.Hostname, p.Spec.Subdomain = "h", "s"
	f("h", "s.ns.svc.cluster.local")
	p.Spec.Hostname, p.Name = "", strings.Repeat("a", 62)+"-bcd"
	f(strings.Repeat("a", 62), "s.ns.svc.cluster.local")
	p.Spec.HostnameOverride = new("over.ride")
	f("over.ride", "")
	p.Spec.HostnameOverride, p.Spec.Hostname = nil, "UP"
	_, _, err := Hostname(p, "cluster.local")
	require.ErrorContains(t, err, `pod Hostname "UP" is not a valid DNS label`)
}

func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 1.1.1.1\nsearch a b.\noptions ndots:5")
	f.Add("nameserver")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseResolvConf(strings.NewReader(s))
		if err == nil {
			require.NotContains(t, c.Searches, ".")
		}
	})
}
