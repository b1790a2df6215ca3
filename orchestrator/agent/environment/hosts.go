package environment

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// HostsPath is where a container finds its hosts file.
const HostsPath = "/etc/hosts"

const (
	managedHeader     = "# Kubernetes-managed hosts file.\n"
	managedHostHeader = "# Kubernetes-managed hosts file (host network).\n"
	loopbackHosts     = "127.0.0.1\tlocalhost\n" +
		"::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::0\tip6-localnet\n" +
		"fe00::0\tip6-mcastprefix\n" +
		"fe00::1\tip6-allnodes\n" +
		"fe00::2\tip6-allrouters\n"
)

// Hosts is what a pod's hosts file is made of.
type Hosts struct {
	IPs              []string
	Hostname, Domain string
	Aliases          []corev1.HostAlias
	// NodeFile is read instead for pods in the host's network, normally HostsPath.
	NodeFile string
}

// Managed returns the content of the hosts file of a pod in the pod network.
func (h Hosts) Managed() []byte {
	b := bytes.NewBufferString(managedHeader + loopbackHosts)
	for _, ip := range h.IPs {
		if h.Domain != "" {
			fmt.Fprintf(b, "%s\t%s.%s\t%s\n", ip, h.Hostname, h.Domain, h.Hostname)
		} else {
			fmt.Fprintf(b, "%s\t%s\n", ip, h.Hostname)
		}
	}
	h.writeAliases(b)
	return b.Bytes()
}

// OfNode returns the node's own file with the pod's aliases.
func (h Hosts) OfNode() ([]byte, error) {
	content, err := os.ReadFile(h.NodeFile)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBufferString(managedHostHeader)
	b.Write(content)
	h.writeAliases(b)
	return b.Bytes(), nil
}

func (h Hosts) writeAliases(b *bytes.Buffer) {
	if len(h.Aliases) == 0 {
		return
	}
	b.WriteString("\n# Entries added by HostAliases.\n")
	for _, a := range h.Aliases {
		fmt.Fprintf(b, "%s\t%s\n", a.IP, strings.Join(a.Hostnames, "\t"))
	}
}

// HostsFile writes the pod's hosts file to <pod's folder>/etc-hosts, in place:
// containers that run have it mounted.
func (e *Environment) HostsFile(pod *corev1.Pod, podIPs []string) (string, error) {
	name, domain, err := Hostname(pod, e.o.DNS.Domain)
	if err != nil {
		return "", err
	}
	h := Hosts{IPs: podIPs, Hostname: name, Domain: domain, Aliases: pod.Spec.HostAliases, NodeFile: HostsPath}
	content := h.Managed()
	if pod.Spec.HostNetwork {
		if content, err = h.OfNode(); err != nil {
			return "", err
		}
	}
	path := filepath.Join(e.o.PodDir(pod.UID), "etc-hosts")
	if err := writeInPlace(path, content); err != nil {
		return "", fmt.Errorf("write the hosts file: %w", err)
	}
	return path, nil
}

func writeInPlace(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return err
	}
	return os.Chmod(path, 0o644)
}
