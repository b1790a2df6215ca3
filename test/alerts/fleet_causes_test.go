package alerts

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/lubberline/lubberline/test/lab"
)

// ofFleet are the alerts of several machines, each of the thing that is wrong,
// as series.
var ofFleet = []string{
	`CertificateExpired{certificate="ca",node="n1"}`,
	`ClusterAlmostFull{resource="memory"}`,
	`ClusterOvercommit{resource="memory"}`,
	`CollectorDown{node="n3"}`,
	`DaemonSetMisscheduled{daemonset="heavy"}`,
	`NodeFlapping{node="n3"}`,
	`NodeNotReady{node="n3"}`,
	`NodeTooManyPods{node="n1"}`,
	`NodesManyNotReady{}`,
	`PodNetworkBroken{node="n2"}`,
}

// TestRealCausesOnSeveralMachines has a cluster of three whose authority is near
// its end, whose nodes are full, and of which two get trouble with the network.
func TestRealCausesOnSeveralMachines(t *testing.T) {
	f := lab.MakeFleet(t, lab.Plan{
		Name: "alerts", On: []int{1, 1, 2}, Pods: 1, Aggregator: "alerts: {interval: 1s, speed: 9}",
		Orchestrator: func(*lab.Host) string { return "  node_grace_period: 20s\n" },
	})
	age(t, f.Hosts[0].Data(), time.Hour)
	require.NoError(t, f.Up())
	f.Joined()
	a := &aggregator{t: t, http: outside(t, f.Hosts[0])}
	room := resource.MustParse(strings.TrimSpace(f.Kubectl("get", "node", "n1", "-o", "jsonpath={.status.allocatable.memory}")))
	f.Apply(controller("DaemonSet", "heavy", strings.Replace(running, "command:", fmt.Sprintf("resources: {requests: {memory: %d}}, command:", room.Value()/100*95), 1)))
	f.Kubectl("rollout", "status", "daemonset/heavy", "--timeout=90s")
	f.Kubectl("taint", "node", "n2", "dry=dock:NoSchedule")
	loseRoute(t, f.Hosts[1])
	flap(f, a, "n3")

	left := ofFleet
	t.Cleanup(func() { t.Logf("missing: %v", left) })
	require.Eventually(t, func() bool {
		left = quiet(a, left)
		return len(left) == 0
	}, 3*patience, 500*time.Millisecond, "alerts that must fire")
	want := map[string]bool{"NodesManyNotReady": false, "NodeNotReady": true, "CollectorDown": true}
	require.Eventually(t, func() bool { return maps.Equal(want, inhibited(a)) }, patience, 100*time.Millisecond, "one message about the lost node")

	require.NoError(t, f.Hub.Mend("n3"))
	gone := []string{`CollectorDown{node="n3"}`, `NodeNotReady{node="n3"}`, `NodesManyNotReady{}`}
	require.Eventually(t, func() bool { return len(quiet(a, gone)) == len(gone) }, patience, 500*time.Millisecond, "alerts that must end")
}

// flap takes a host off the network, puts it back, and takes it off again, each
// time until rules can see it: the states of objects are stored every 15 s.
func flap(f *lab.Fleet, a *aggregator, name string) {
	f.T.Helper()
	for _, step := range []struct {
		do    func(string) error
		ready string
	}{{f.Hub.Cut, "0"}, {f.Hub.Mend, "1"}, {f.Hub.Cut, "0"}} {
		require.NoError(f.T, step.do(name))
		require.Eventually(f.T, func() bool {
			ready, _ := a.query(`kube_node_status_condition{condition="Ready",status="true",node="` + name + `"}`)
			return ready == step.ready
		}, patience, 100*time.Millisecond, "node %s: Ready must be %s", name, step.ready)
	}
}

// loseRoute leaves a host without its way to other networks.
func loseRoute(t *testing.T, h *lab.Host) {
	t.Helper()
	require.NoError(t, h.Do(func() error {
		routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
		for i := range routes {
			if dst := routes[i].Dst; dst == nil || dst.IP.IsUnspecified() {
				err = errors.Join(err, netlink.RouteDel(&routes[i]))
			}
		}
		return err
	}))
}

// quiet are those of the alerts, as series selectors, that do not fire.
func quiet(a *aggregator, alerts []string) (left []string) {
	for _, selector := range alerts {
		name, labels, _ := strings.Cut(selector, "{")
		if _, fires := a.query(`ALERTS{alertstate="firing",alertname="` + name + `",` + labels); !fires {
			left = append(left, selector)
		}
	}
	return left
}

// inhibited says of the alerts about the lost node whether others mute them.
func inhibited(a *aggregator) map[string]bool {
	var all []struct {
		Labels map[string]string
		Status struct{ InhibitedBy []string }
	}
	a.get("/alertmanager/api/v2/alerts", &all)
	muted := map[string]bool{}
	for _, one := range all {
		switch name := one.Labels["alertname"]; name {
		case "CollectorDown", "NodeNotReady", "NodesManyNotReady":
			muted[name] = len(one.Status.InhibitedBy) > 0
		}
	}
	return muted
}

// outside is an address by which the aggregator is reached that answers on a
// host's own loopback.
func outside(t *testing.T, h *lab.Host) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := h.Monitoring(r.URL.RequestURI())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}
