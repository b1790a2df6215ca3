package alerts

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/test/machine"
)

// Pods that go wrong, or are made to.
var (
	// writes puts 4 MB a second into the container's own layer.
	writes = pod("writes", `["sh", "-c", "while dd if=/dev/zero bs=1M count=4 >>/file; do sleep 1; done"]`, "")
	// threads has 19 tasks.
	threads = pod("threads", `["sh", "-c", "for i in $(seq 18); do sleep 1d & done; wait"]`, "")
	// sends goes on calling the other end of a tunnel.
	sends = pod("sends", `["sh", "-c", "while :; do nc -w 1 `+tunnelEnd+` 9 </dev/null; sleep 0.2; done"]`, "")
	// held has a finalizer that nobody removes.
	held = strings.Replace(pod("held", `["sleep", "1d"]`, ""), "{name: held}", "{name: held, finalizers: [lubberline.test/held]}", 1)
	// restarts ends three times before it stays: the first time when it has been
	// seen without a restart, as pods are every 15 seconds.
	restarts = strings.Replace(pod("restarts", `["sh", "-c", "echo x >>/kept/starts; case $(wc -l </kept/starts) in 1) sleep 17;; 2|3) sleep 1;; *) sleep 1d;; esac"]`, ""),
		"  containers:", "  volumes: [{name: kept, emptyDir: {}}]\n  containers:", 1) + "    volumeMounts: [{name: kept, mountPath: /kept}]\n"
)

// podFaults are those of pods, which end with the machine.
func (n *node) podFaults() []fault {
	n.t.Helper()
	for _, manifest := range []string{writes, threads, sends, held, restarts} {
		apply(n.t, n.program, n.Kubeconfig, manifest)
	}
	n.kubectl("wait --for=condition=Ready --timeout=60s pod/threads pod/sends pod/held")
	n.kubectl("delete pod held --wait=false")
	n.set(n.containerOf("threads"), limit{"pids", "pids.max=20", "pids.max=20"})
	n.loopTunnelOf("sends")
	// Three restarts take half a minute, which at the other speed is all that the
	// rule looks at.
	slower := newAggregator(n.t, "route: {receiver: none}\nreceivers: [{name: none}]\n",
		"    standard: true\n    speed: 10\n  resolution: 1s\n  kubernetes: {kubeconfig: "+n.Kubeconfig+"}\n")
	return []fault{
		n.found(nil, "ContainerDiskFilling: Container default/writes/main on "+machine.Node+" "),
		n.found(nil, "ContainerThreadsNearLimit: Container default/threads/main on "+machine.Node+" "),
		n.found(nil, "PodNetworkErrors: Pod default/sends on "+machine.Node+" loses 100% "),
		n.found(nil, "PodStuckTerminating: Pod default/held on "+machine.Node+" "),
		{finder: slower, alerts: []string{"ContainerRestarting: Container default/restarts/main on " + machine.Node + " was started 3 times "}},
	}
}

func (n *node) kubectl(args string) {
	n.t.Helper()
	n.sh("%s kubectl --kubeconfig %s %s", n.program, n.Kubeconfig, args)
}

// containerOf is the control group of the container of a pod, once the collector
// shows it.
func (n *node) containerOf(pod string) (id string) {
	n.t.Helper()
	query := url.QueryEscape(fmt.Sprintf(`container_threads{pod=%q,container="main"}`, pod))
	require.Eventually(n.t, func() bool {
		var answer struct {
			Data struct {
				Result []struct{ Metric map[string]string }
			}
		}
		n.alerts.get("/api/v1/query?query="+query, &answer)
		if len(answer.Data.Result) == 1 {
			id = answer.Data.Result[0].Metric["id"]
		}
		return id != ""
	}, patience, pause, "the container of %s", pod)
	return id
}

// loopTunnelOf makes a tunnel in the network of a pod.
func (n *node) loopTunnelOf(pod string) {
	n.t.Helper()
	pid, err := number(n.file(n.containerOf(pod), "pids", "cgroup.procs"))
	require.NoError(n.t, err)
	space, err := netns.GetFromPid(int(pid))
	require.NoError(n.t, err)
	defer space.Close()
	handle, err := netlink.NewHandleAt(space, unix.NETLINK_ROUTE)
	require.NoError(n.t, err)
	defer handle.Close()
	n.addTunnel(handle, "tunnel")
}
