package environment

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Limits of a resolv.conf, as the API allows them.
const (
	maxNameservers    = 3
	maxSearchPaths    = 32
	maxSearchChars    = 2048
	maxResolvConfSize = 10 << 20
)

// DNS says how pods of this node resolve names.
type DNS struct {
	// Servers are the cluster's, empty where it has none.
	Servers []string
	// Domain is the cluster's, such as cluster.local.
	Domain string
	// ResolvConf is the node's file; empty means that it has none.
	ResolvConf string
}

// warning is called with what an event of the pod should say.
type warning func(reason, message string)

// DNS returns what the runtime is to write into the pod's resolv.conf. What the
// resolver would not accept is left out, and told by an event.
func (e *Environment) DNS(pod *corev1.Pod) (*runtimeapi.DNSConfig, error) {
	return e.o.DNS.forPod(pod, func(reason, message string) {
		e.o.Events.Event(pod, corev1.EventTypeWarning, reason, message)
	})
}

func (d DNS) forPod(pod *corev1.Pod, warn warning) (*runtimeapi.DNSConfig, error) {
	c, err := d.base(pod, warn)
	if err != nil {
		return nil, err
	}
	if extra := pod.Spec.DNSConfig; extra != nil {
		c.Servers = unique(append(c.Servers, extra.Nameservers...))
		c.Searches = unique(append(c.Searches, extra.Searches...))
		c.Options = mergeOptions(c.Options, extra.Options)
	}
	fitServers(c, warn)
	fitSearches(c, warn)
	return c, nil
}

func (d DNS) base(pod *corev1.Pod, warn warning) (*runtimeapi.DNSConfig, error) {
	policy := pod.Spec.DNSPolicy
	if policy == corev1.DNSNone {
		return &runtimeapi.DNSConfig{}, nil
	}
	host, err := d.host()
	if err != nil {
		return nil, err
	}
	if policy == corev1.DNSDefault || policy == corev1.DNSClusterFirst && pod.Spec.HostNetwork {
		return host, nil
	}
	if len(d.Servers) == 0 {
		warn("MissingClusterDNS", fmt.Sprintf("pod: %q. kubelet does not have ClusterDNS IP configured and cannot create Pod using %q policy. Falling back to %q policy.",
			pod.Name+"_"+pod.Namespace+"("+string(pod.UID)+")", corev1.DNSClusterFirst, corev1.DNSDefault))
		return host, nil
	}
	return &runtimeapi.DNSConfig{
		Servers:  slices.Clone(d.Servers),
		Searches: d.clusterSearches(pod.Namespace, host.Searches),
		Options:  []string{"ndots:5"},
	}, nil
}

func (d DNS) clusterSearches(namespace string, host []string) []string {
	if d.Domain == "" {
		return host
	}
	return unique(append([]string{namespace + ".svc." + d.Domain, "svc." + d.Domain, d.Domain}, host...))
}

func (d DNS) host() (*runtimeapi.DNSConfig, error) {
	if d.ResolvConf == "" {
		return &runtimeapi.DNSConfig{Servers: []string{"127.0.0.1"}, Searches: []string{"."}}, nil
	}
	f, err := os.Open(d.ResolvConf)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ParseResolvConf(f)
}

// ParseResolvConf reads a resolv.conf. The last search line counts, options add up.
func ParseResolvConf(r io.Reader) (*runtimeapi.DNSConfig, error) {
	c := &runtimeapi.DNSConfig{}
	lines := bufio.NewScanner(io.LimitReader(r, maxResolvConfSize))
	lines.Buffer(nil, maxResolvConfSize)
	for lines.Scan() {
		if err := parseResolvLine(c, strings.Fields(lines.Text())); err != nil {
			return nil, fmt.Errorf("encountered error while parsing resolv conf file: %w", err)
		}
	}
	return c, lines.Err()
}

func parseResolvLine(c *runtimeapi.DNSConfig, fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	switch fields[0] {
	case "nameserver":
		if len(fields) < 2 {
			return fmt.Errorf("nameserver list is empty")
		}
		c.Servers = append(c.Servers, fields[1])
	case "search":
		c.Searches = nil
		for _, s := range fields[1:] {
			if s != "." {
				c.Searches = append(c.Searches, strings.TrimSuffix(s, "."))
			}
		}
	case "options":
		for _, o := range fields[1:] {
			c.Options = setOption(c.Options, o)
		}
	}
	return nil
}

func mergeOptions(options []string, extra []corev1.PodDNSConfigOption) []string {
	out := slices.Clone(options)
	for _, o := range extra {
		text := o.Name
		if o.Value != nil && *o.Value != "" {
			text += ":" + *o.Value
		}
		out = setOption(out, text)
	}
	return out
}

// setOption adds "name" or "name:value", or replaces the one of that name.
func setOption(options []string, option string) []string {
	name, _, _ := strings.Cut(option, ":")
	for i, o := range options {
		if n, _, _ := strings.Cut(o, ":"); n == name {
			options[i] = option
			return options
		}
	}
	return append(options, option)
}

func fitServers(c *runtimeapi.DNSConfig, warn warning) {
	if len(c.Servers) <= maxNameservers {
		return
	}
	c.Servers = c.Servers[:maxNameservers]
	warn("DNSConfigForming", "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: "+strings.Join(c.Servers, " "))
}

func fitSearches(c *runtimeapi.DNSConfig, warn warning) {
	before := len(c.Searches)
	c.Searches = c.Searches[:min(before, maxSearchPaths)]
	c.Searches = slices.DeleteFunc(c.Searches, func(s string) bool { return len(s) > validation.DNS1123SubdomainMaxLength })
	for len(strings.Join(c.Searches, " ")) > maxSearchChars {
		c.Searches = c.Searches[:len(c.Searches)-1]
	}
	if len(c.Searches) < before {
		warn("DNSConfigForming", "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "+strings.Join(c.Searches, " "))
	}
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
