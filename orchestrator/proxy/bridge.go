package proxy

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bridgesAreFiltered makes packets between two pods of one bridge pass the IP
// rules, and says whether they do. Where they do not, the answer of a pod to its
// neighbour would go the short way and never be translated back.
func bridgesAreFiltered(bridge string) bool {
	const all = "/proc/sys/net/bridge/bridge-nf-call-iptables"
	if _, err := os.Stat(all); err != nil {
		// A kernel that has it as a module loads it so; one that has not says so.
		_ = exec.Command("modprobe", "br_netfilter").Run()
	}
	return isOn(all) || turnOn(filepath.Join("/sys/class/net", bridge, "bridge/nf_call_iptables")) || turnOn(all)
}

func isOn(file string) bool {
	value, err := os.ReadFile(file)
	return err == nil && strings.TrimSpace(string(value)) == "1"
}

func turnOn(file string) bool {
	return isOn(file) || (os.WriteFile(file, []byte("1"), 0o644) == nil && isOn(file))
}

// interfaceAddresses are those that this machine has now.
func interfaceAddresses() []netip.Addr {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for _, a := range found {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, prefix.Addr())
		}
	}
	return all
}
