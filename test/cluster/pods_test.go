package cluster

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/lab"
)

// web is a pod on every node that answers with the address that asks.
const web = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: ` + lab.Image + `
        command: [/bin/sh, -c]
        args:
        - |
          mkdir -p /w/cgi-bin
          printf '#!/bin/sh\necho\necho $REMOTE_ADDR\n' >/w/cgi-bin/who
          chmod +x /w/cgi-bin/who
          seq 6000000 >/w/large
          echo "$HOSTNAME is up"
          exec httpd -f -p 8080 -h /w
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
`

// onLinks are the two ways in which nodes reach each other: on one link, and
// with a router before the third.
var onLinks = map[string][]int{"one link": {77, 77, 77}, "routed": {77, 77, 78}}

// TestPodsReachPods: on all nodes, without translation, by their services, and
// whatever carries the packets; what kubectl asks of a node and what its
// collector ships goes the same ways.
func TestPodsReachPods(t *testing.T) {
	for name, on := range onLinks {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, on)
			t.Logf("join to Ready: %v", f.Joined())
			f.Apply(web)
			f.Becomes("3", "get", "daemonset", "web", "-o", "jsonpath={.status.numberReady}")
			pods := f.pods()
			require.Len(t, pods, 3)
			f.reachEachOther(pods)
			f.answer(pods)
			f.watched(pods)
			if name == "routed" { // has nodes on one link, too
				f.large(pods)
				f.firewalled(pods)
			}
		})
	}
}

// pod is what is known of one.
type pod struct{ name, node, address string }

func (f *fleet) pods() (all []pod) {
	f.T.Helper()
	out := f.Kubectl("get", "pods", "-l", "app=web", "-o", `jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName} {.status.podIP}{"\n"}{end}`)
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		require.Len(f.T, fields, 3)
		all = append(all, pod{fields[0], fields[1], fields[2]})
	}
	return all
}

// reachEachOther asks from each pod every one: who is asked sees the pod's own
// address.
func (f *fleet) reachEachOther(pods []pod) {
	f.T.Helper()
	service := f.Kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	world := f.world()
	for _, from := range pods {
		out, err := f.Try("exec", from.name, "--", "timeout", "5", "wget", "-qO-", "http://"+world)
		require.NoError(f.T, err, "what is outside")
		require.Equal(f.T, f.host(from.node).Address, out, "outside pods have their node's address")
		_, err = f.Try("exec", from.name, "--", "sh", "-c", "echo | timeout 5 nc $KUBERNETES_SERVICE_HOST 443")
		require.NoError(f.T, err, "the API by its service")
		for _, to := range pods {
			require.NoError(f.T, lab.Until(func() error {
				out, err := f.Try("exec", from.name, "--", "timeout", "5", "wget", "-qO-", "http://"+to.address+":8080/cgi-bin/who")
				if err == nil && !strings.HasSuffix(strings.Trim(out, "[]\n"), ":"+from.address) {
					return lab.Fatal{Err: fmt.Errorf("%v asks %v and is seen as %s", from, to, out)}
				}
				return err
			}))
		}
		require.NoError(f.T, lab.Until(func() error {
			_, err := f.Try("exec", from.name, "--", "timeout", "5", "wget", "-qO-", "http://"+service+"/cgi-bin/who")
			return err
		}), "a service by its address")
		require.NoError(f.T, lab.Until(func() error {
			out, err := f.Try("exec", from.name, "--", "nslookup", "web.default.svc.cluster.local")
			if err == nil && !strings.Contains(out, service) {
				return fmt.Errorf("%s is not %s", out, service)
			}
			return err
		}), "a service by its name")
	}
}

// large has each pod fetch 45 MiB from every one: their packets are of a size
// that fits into a tunnel.
func (f *fleet) large(pods []pod) {
	f.T.Helper()
	for _, from := range pods {
		require.Equal(f.T, "1450\n", f.Kubectl("exec", from.name, "--", "cat", "/sys/class/net/eth0/mtu"))
		for _, to := range pods {
			out := f.Kubectl("exec", from.name, "--", "sh", "-c", "timeout 60 wget -qO- http://"+to.address+":8080/large | md5sum; md5sum </w/large")
			sums := strings.Fields(out)
			require.Len(f.T, sums, 4)
			require.Equal(f.T, sums[2], sums[0], "%v fetches from %v", from, to)
		}
	}
}

// firewalled has every node's firewall drop what it forwards, as Docker and ufw
// do: pods go on, and what an administrator drops is dropped.
func (f *fleet) firewalled(pods []pod) {
	f.T.Helper()
	iptables := func(h *lab.Host, args ...string) (string, error) {
		var out []byte
		err := h.Do(func() (err error) {
			out, err = exec.Command("iptables-nft", args...).CombinedOutput()
			return err
		})
		return string(out), err
	}
	for _, h := range f.Hosts {
		out, err := iptables(h, "-P", "FORWARD", "DROP")
		require.NoError(f.T, err, out)
		require.NoError(f.T, lab.Until(func() error {
			out, err := iptables(h, "-S", "FORWARD")
			if err == nil && !strings.Contains(out, "-d 10.244.0.0/16") {
				return fmt.Errorf("%s drops all: %s", h.Name, out)
			}
			return err
		}))
	}
	f.reachEachOther(pods)
	out, err := iptables(f.host(pods[0].node), "-I", "FORWARD", "-s", pods[0].address, "-j", "DROP")
	require.NoError(f.T, err, out)
	_, err = f.Try("exec", pods[0].name, "--", "timeout", "1", "wget", "-qO-", "http://"+pods[1].address+":8080/cgi-bin/who")
	require.Error(f.T, err)
}

// world is a server outside of the cluster that tells who asks.
func (f *fleet) world() (address string) {
	f.T.Helper()
	require.NoError(f.T, f.Hub.Do(func() error {
		l, err := net.Listen("tcp4", "0.0.0.0:0") // of the hub, whoever accepts
		if err != nil {
			return err
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, _, _ := net.SplitHostPort(r.RemoteAddr)
			_, _ = io.WriteString(w, host)
		})}
		go func() { _ = server.Serve(l) }()
		f.T.Cleanup(func() { _ = server.Close() })
		_, port, err := net.SplitHostPort(l.Addr().String())
		address = net.JoinHostPort(lab.HubAddress(77), port)
		return err
	}))
	return address
}

func (f *fleet) host(name string) *lab.Host {
	return f.Hosts[slices.IndexFunc(f.Hosts, func(h *lab.Host) bool { return h.Name == name })]
}

// answer has the nodes' own API asked.
func (f *fleet) answer(pods []pod) {
	f.T.Helper()
	for _, p := range pods {
		require.Equal(f.T, p.name+" is up\n", f.Kubectl("logs", p.name))
		f.Kubectl("get", "--raw", "/api/v1/nodes/"+p.node+"/proxy/stats/summary")
	}
}

// watched: the control host has metrics and logs of every node.
func (f *fleet) watched(pods []pod) {
	f.T.Helper()
	require.NoError(f.T, lab.Until(func() error {
		series, err := f.Hosts[0].Monitoring("/api/v1/query?query=node_boot_time_seconds")
		if err != nil {
			return err
		}
		lines, err := f.Hosts[0].Monitoring("/api/v1/logs?text=is+up&limit=1000")
		if err != nil {
			return err
		}
		for _, p := range pods {
			if !strings.Contains(series, `"`+p.node+`"`) {
				return fmt.Errorf("no metrics of %s: %s", p.node, series)
			}
			if !strings.Contains(lines, p.name+" is up") {
				return fmt.Errorf("no logs of %v: %s", p, lines)
			}
		}
		return nil
	}))
}
