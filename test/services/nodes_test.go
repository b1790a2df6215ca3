package services

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/lab"
	"github.com/lubberline/lubberline/test/services/press"
)

const (
	machines = 3
	// lostAfter is how long a machine may be silent, the least that can be
	// configured, and seenSlack what it takes to act on it.
	lostAfter = 20 * time.Second
	seenSlack = 20 * time.Second
	localPort = 30555
)

// everywhere is a web server on each machine, behind a service of all, and one
// on n2 alone behind a service for those who come to n2.
const everywhere = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: "` + image + `", command: [/pod], args: [serve], readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1, timeoutSeconds: 5}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, labels: {app: alone}}
spec:
  nodeName: n2
  containers: [{name: main, image: "` + image + `", command: [/pod], args: [serve]}]
---
apiVersion: v1
kind: Service
metadata: {name: alone}
spec: {type: NodePort, externalTrafficPolicy: Local, selector: {app: alone}, ports: [{port: 80, targetPort: 8080, nodePort: %d}]}
`

// leaving is one more web server for each machine, which goes on serving for a
// while when it is told to end.
const leaving = `
apiVersion: v1
kind: ReplicationController
metadata: {name: leaving}
spec:
  replicas: %d
  selector: {app: web, leaves: soon}
  template:
    metadata: {labels: {app: web, leaves: soon}}
    spec:
      containers:
      - name: main
        image: "` + image + `"
        command: [/pod]
        args: [serve]
        readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1, timeoutSeconds: 5}
        lifecycle: {preStop: {sleep: {seconds: %d}}}
`

// TestNodeCutOffUnderLoad: a machine's cable is pulled and plugged in again. What
// is sent to its pod meanwhile waits in vain, a third of all, until the machine
// has been silent for as long as it may be and its pod is taken out of the
// service: no sooner can anybody know. When it is back nothing fails.
func TestNodeCutOffUnderLoad(t *testing.T) {
	f := lab.NewFleet(t, lab.Plan{
		Name: "services", On: []int{81, 81, 81},
		Orchestrator: func(*lab.Host) string { return fmt.Sprintf("  node_grace_period: %s\n", lostAfter) },
	})
	f.Joined()
	program := podProgram(t)
	require.NoError(t, f.Each(func(h *lab.Host) error { return h.Builds(image, filepath.Dir(program)) }))
	f.Apply(fmt.Sprintf(everywhere, localPort))
	addresses := func(n int) {
		t.Helper()
		f.Becomes(strings.TrimSpace(strings.Repeat("x ", n)), "get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o",
			`go-template={{range .items}}{{range .endpoints}}{{if .conditions.ready}}x {{end}}{{end}}{{end}}`)
	}
	addresses(machines)
	localOnly(t, f)
	url := "http://" + f.Kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	scaledDown(t, f, addresses, func() func() press.Outcome { return pressFrom(t, f.Hosts[0], program, url) })

	end := pressFrom(t, f.Hosts[0], program, url)
	time.Sleep(settle)
	cut := time.Now()
	require.NoError(t, f.Hub.Cut("n3"))
	addresses(machines - 1)
	noticed := time.Now()
	time.Sleep(settle)
	require.NoError(t, f.Hub.Mend("n3"))
	f.Becomes("True", "get", "node", "n3", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	addresses(machines)
	back := time.Now()
	time.Sleep(settle)
	outcome := end()
	t.Logf("a node cut off for %.1f s, out of the service after %.1f s: %s", back.Sub(cut).Seconds(), noticed.Sub(cut).Seconds(), outcome)

	require.Less(t, noticed.Sub(cut), lostAfter+seenSlack)
	within, others := outcome.Within(cut.Add(-press.Patience), noticed.Add(seenSlack/10))
	require.Empty(t, others, "failures after the node was known to be lost")
	require.NotEmpty(t, within)
	sent := (noticed.Sub(cut) + seenSlack/10).Seconds() * press.Rate
	require.Less(t, float64(len(within)), sent/machines*1.25, "more than the lost machine's share")
}

// scaledDown: pods of all machines come and end, and nobody fails who asks on one
// of them.
func scaledDown(t *testing.T, f *lab.Fleet, addresses func(int), begin func() func() press.Outcome) {
	t.Helper()
	f.Apply(fmt.Sprintf(leaving, machines, grace))
	addresses(2 * machines)
	for range 2 {
		end := begin()
		time.Sleep(settle)
		f.Kubectl("scale", "rc/leaving", "--replicas=0")
		f.Becomes("", "get", "pods", "-l", "leaves=soon", "-o", "name")
		f.Kubectl("scale", "rc/leaving", fmt.Sprintf("--replicas=%d", machines))
		addresses(2 * machines)
		outcome := end()
		t.Logf("pods of %d machines end and others begin: %s", machines, outcome)
		require.Empty(t, outcome.Failures)
	}
	f.Kubectl("delete", "rc/leaving")
	addresses(machines)
}

// localOnly: with the policy Local a machine serves who comes to it by its own
// pods, and nobody where it has none.
func localOnly(t *testing.T, f *lab.Fleet) {
	t.Helper()
	f.Kubectl("wait", "--for=condition=Ready", "pod/alone", "--timeout=60s")
	ask := func(h *lab.Host) error {
		return f.Hub.Do(func() error {
			out, err := exec.Command("curl", "-s", "-S", "--noproxy", "*", "--max-time", "2", fmt.Sprintf("http://%s:%d", h.Address, localPort)).CombinedOutput()
			if err == nil && string(out) != "alone" {
				err = fmt.Errorf("answer %q", out)
			}
			return err
		})
	}
	require.NoError(t, lab.Until(func() error { return ask(f.Hosts[1]) }))
	require.Error(t, ask(f.Hosts[0]), "n1 has no such pod")
	require.Error(t, ask(f.Hosts[2]), "n3 has no such pod")
}

// podProgram builds the pods' program, alone in a folder.
func podProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pod")
	build := exec.Command("go", "build", "-o", path, "./pod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// pressFrom starts a load on a machine; what it returns ends it.
func pressFrom(t *testing.T, h *lab.Host, program, url string) func() press.Outcome {
	t.Helper()
	var out, complaints bytes.Buffer
	c := exec.Command(program, "press", url)
	c.Stdout, c.Stderr = &out, &complaints
	require.NoError(t, h.Do(c.Start))
	t.Cleanup(func() { _ = c.Process.Kill() }) // it has ended, unless the test failed
	return func() (outcome press.Outcome) {
		require.NoError(t, c.Process.Signal(syscall.SIGTERM))
		require.NoError(t, c.Wait(), "%s", &complaints)
		require.NoError(t, json.Unmarshal(out.Bytes(), &outcome))
		return outcome
	}
}
