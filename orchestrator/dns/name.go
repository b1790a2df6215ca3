package dns

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// kind is what a name of the cluster's domain may stand for.
type kind int

const (
	kindNone       kind = iota // nothing can have that name
	kindApex                   // the domain itself
	kindVersion                // dns-version.<domain>
	kindNameserver             // ns.dns.<domain>
	kindGroup                  // svc.<domain>, pod.<domain>, dns.<domain>: only names below it are of use
	kindNamespace              // <namespace>.svc.<domain>, <namespace>.pod.<domain>
	kindService                // <service>.<namespace>.svc.<domain>
	kindEndpoint               // <hostname>.<service>.<namespace>.svc.<domain>
	kindProtocol               // _<protocol>.<service>.<namespace>.svc.<domain>
	kindPort                   // _<port>._<protocol>.<service>.<namespace>.svc.<domain>
	kindPod                    // <address>.<namespace>.pod.<domain>
)

// target is what a name stands for. All of it is in lower case.
type target struct {
	kind      kind
	namespace string
	service   string
	endpoint  string // a hostname, or the address with dashes
	port      string // without the underscore
	protocol  string // TCP, UDP or SCTP
	address   netip.Addr
}

const (
	servicesLabel = "svc"
	podsLabel     = "pod"
	versionLabel  = "dns-version"
	serverLabel   = "ns"
	serversLabel  = "dns"
)

// maxLabels is how many labels a name below the domain has at most:
// _port._protocol.service.namespace.svc.
const maxLabels = 5

// parseName reads a name below the cluster's domain. relative is the name
// without the domain and without a dot at its end, in lower case.
func parseName(relative string) target {
	if relative == "" {
		return target{kind: kindApex}
	}
	var labels [maxLabels]string
	n := 0
	for rest, more := relative, true; more; n++ {
		if n == maxLabels {
			return target{}
		}
		labels[n], rest, more = strings.Cut(rest, ".")
		if labels[n] == "" {
			return target{}
		}
	}
	switch group := labels[n-1]; group {
	case servicesLabel:
		return parseService(labels[:n-1])
	case podsLabel:
		return parsePod(labels[:n-1])
	case serversLabel:
		return parseServer(labels[:n-1])
	case versionLabel:
		if n == 1 {
			return target{kind: kindVersion}
		}
	}
	return target{}
}

func parseServer(labels []string) target {
	switch {
	case len(labels) == 0:
		return target{kind: kindGroup}
	case len(labels) == 1 && labels[0] == serverLabel:
		return target{kind: kindNameserver}
	}
	return target{}
}

// parseService reads what stands before svc.
func parseService(labels []string) target {
	n := len(labels)
	switch n {
	case 0:
		return target{kind: kindGroup}
	case 1:
		return target{kind: kindNamespace, namespace: labels[0]}
	}
	t := target{kind: kindService, namespace: labels[n-1], service: labels[n-2]}
	if n == 2 {
		return t
	}
	protocol, underscored := strings.CutPrefix(labels[n-3], "_")
	if !underscored {
		t.kind, t.endpoint = kindEndpoint, labels[n-3]
		if n > 3 {
			t.kind = kindNone
		}
		return t
	}
	t.kind, t.protocol = kindProtocol, strings.ToUpper(protocol)
	if n == 3 {
		return t
	}
	t.kind = kindPort
	if t.port, underscored = strings.CutPrefix(labels[0], "_"); !underscored || t.port == "" {
		return target{}
	}
	return t
}

// parsePod reads what stands before pod.
func parsePod(labels []string) target {
	switch len(labels) {
	case 0:
		return target{kind: kindGroup}
	case 1:
		return target{kind: kindNamespace, namespace: labels[0]}
	case 2:
		if address, ok := parseDashed(labels[0]); ok {
			return target{kind: kindPod, namespace: labels[1], address: address}
		}
	}
	return target{}
}

// dashed is an address as a label: 10-244-0-7, fd00--7.
func dashed(a netip.Addr) string {
	if a.Is4() {
		return strings.ReplaceAll(a.String(), ".", "-")
	}
	s := strings.ReplaceAll(a.String(), ":", "-")
	if strings.HasSuffix(s, "-") {
		s += "0" // a label does not end with a dash
	}
	if strings.HasPrefix(s, "-") {
		s = "0" + s
	}
	return s
}

// parseDashed reads what dashed writes.
func parseDashed(label string) (netip.Addr, bool) {
	if strings.Count(label, "-") == 3 && !strings.Contains(label, "--") {
		if a, err := netip.ParseAddr(strings.ReplaceAll(label, "-", ".")); err == nil {
			return a, true
		}
	}
	a, err := netip.ParseAddr(strings.ReplaceAll(label, "-", ":"))
	return a, err == nil && a.Zone() == ""
}

// Reverse names end with these.
const (
	reverse4 = ".in-addr.arpa."
	reverse6 = ".ip6.arpa."
)

// parseReverse reads the name by which an address is looked up; name is in
// lower case and ends with a dot.
func parseReverse(name string) (netip.Addr, bool) {
	if labels, ok := strings.CutSuffix(name, reverse4); ok {
		return reverseIPv4(labels)
	}
	if labels, ok := strings.CutSuffix(name, reverse6); ok {
		return reverseIPv6(labels)
	}
	return netip.Addr{}, false
}

func reverseIPv4(labels string) (netip.Addr, bool) {
	parts := strings.Split(labels, ".")
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0])
	return a, err == nil && a.Is4()
}

// reverseIPv6 reads 32 hexadecimal digits, the last one first.
func reverseIPv6(labels string) (netip.Addr, bool) {
	if len(labels) != 63 {
		return netip.Addr{}, false
	}
	var bytes [16]byte
	for i := range 32 {
		c := labels[62-2*i]
		digit := strings.IndexByte("0123456789abcdef", c)
		if digit < 0 || i < 31 && labels[61-2*i] != '.' {
			return netip.Addr{}, false
		}
		bytes[i/2] |= byte(digit) << (4 * (1 - i%2))
	}
	return netip.AddrFrom16(bytes), true
}

// below returns name without the domain, when it is the domain or below it.
// Both are in lower case and end with a dot.
func below(name, domain string) (relative string, ok bool) {
	if !dns.IsSubDomain(domain, name) {
		return "", false
	}
	return strings.TrimSuffix(strings.TrimSuffix(name, domain), "."), true
}
