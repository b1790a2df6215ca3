package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/lab"
)

// moving is a controller whose pods leave a lost node after two seconds.
const moving = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: crew}
spec:
  replicas: 3
  selector: {matchLabels: {app: crew}}
  template:
    metadata: {labels: {app: crew}}
    spec:
      terminationGracePeriodSeconds: 0
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: crew}}}
      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 2}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 2}
      containers:
      - {name: main, image: ` + lab.Image + `, command: [sleep, "1000000"]}
`

// TestNodeCutOff: a node that cannot be reached is marked, its pods are made
// elsewhere, and what still runs on it ends when it comes back.
func TestNodeCutOff(t *testing.T) {
	f := newFleet(t, onLinks["one link"])
	f.Joined()
	f.Apply(moving)
	f.Kubectl("rollout", "status", "deployment/crew", "--timeout=60s")
	require.Contains(t, f.places(), "n3", "one of the pods is where it can be lost")
	lost := strings.Fields(f.Kubectl("get", "pods", "-l", "app=crew", "--field-selector", "spec.nodeName=n3", "-o", "jsonpath={.items[*].metadata.name}"))

	start := time.Now()
	require.NoError(t, f.Hub.Cut("n3"))
	f.Becomes("Unknown", "get", "node", "n3", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	t.Logf("cut off to Unknown: %v", time.Since(start))
	require.Contains(t, f.Kubectl("get", "node", "n3", "-o", "jsonpath={.spec.taints[*].key}"), "node.kubernetes.io/unreachable")
	require.NoError(t, lab.Until(func() error {
		if running := f.places(); len(running) != 3 || strings.Contains(strings.Join(running, " "), "n3") {
			return fmt.Errorf("running on %v", running)
		}
		return nil
	}))
	t.Logf("cut off to moved: %v", time.Since(start))
	require.NotEmpty(t, f.containers(f.Hosts[2]), "what cannot be reached runs on")

	back := time.Now()
	require.NoError(t, f.Hub.Mend("n3"))
	f.Becomes("True", "get", "node", "n3", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	t.Logf("back to Ready: %v", time.Since(back))
	require.NoError(t, lab.Until(func() error {
		if left := f.containers(f.Hosts[2]); len(left) != 0 {
			return fmt.Errorf("still running on n3: %v", left)
		}
		return nil
	}))
	for _, name := range lost {
		_, err := f.Try("get", "pod", name)
		require.ErrorContains(t, err, "not found")
	}
	f.drains()
}

// places are the nodes of the pods that run and are not being deleted.
func (f *fleet) places() (nodes []string) {
	f.T.Helper()
	out := f.Kubectl("get", "pods", "-l", "app=crew", "-o",
		`jsonpath={range .items[*]}{.spec.nodeName} {.status.phase} {.metadata.deletionTimestamp}{"\n"}{end}`)
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[1] == "Running" {
			nodes = append(nodes, fields[0])
		}
	}
	return nodes
}

// containers are the names of those that a host's runtime has running.
func (f *fleet) containers(h *lab.Host) []string {
	f.T.Helper()
	names, err := lab.Running(h.Socket())
	require.NoError(f.T, err)
	return names
}

// drains: cordon, drain and taints work as on one node.
func (f *fleet) drains() {
	f.T.Helper()
	f.Kubectl("drain", "n2", "--ignore-daemonsets", "--timeout=60s")
	require.NoError(f.T, lab.Until(func() error {
		if nodes := f.places(); len(nodes) != 3 || strings.Contains(strings.Join(nodes, " "), "n2") {
			return fmt.Errorf("running on %v", nodes)
		}
		return nil
	}))
	f.Kubectl("uncordon", "n2")
	f.Kubectl("taint", "node", "n3", "dry=dock:NoExecute")
	require.NoError(f.T, lab.Until(func() error {
		if nodes := f.places(); len(nodes) != 3 || strings.Contains(strings.Join(nodes, " "), "n3") {
			return fmt.Errorf("running on %v", nodes)
		}
		return nil
	}))
}
