package alerts

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/peers"
	run "github.com/lubberline/lubberline/test/program"
)

// hurried is the part of a configuration in which minutes of the shipped rules
// are seconds.
const hurried = "alerts: {interval: 2s, speed: 60, receivers: %s}"

// causes are pods and other things that are wrong, and the alerts that must
// follow from each.
var causes = []struct {
	manifest string
	alerts   []string
}{
	{pod("oom", `["sh", "-c", "echo eating memory; tail /dev/zero"]`, `limits: {memory: 24Mi, cpu: 500m}`), []string{"ContainerOOMKilled"}},
	{pod("crash", `["sh", "-c", "echo no database >&2; exit 3"]`, ""), []string{"ContainerCrashLooping"}},
	{strings.Replace(pod("nothing", `["sleep", "1d"]`, ""), "command:", "envFrom: [{configMapRef: {name: none}}]\n    command:", 1), []string{"ContainerCannotStart"}},
	{pod("busy", `["sh", "-c", "while :; do :; done"]`, `limits: {cpu: 50m}`), []string{"ContainerCPUNearLimit", "ContainerCPUThrottled"}},
	{pod("large", `["sh", "-c", "dd if=/dev/zero bs=37M count=1 | sleep 1d"]`, `limits: {memory: 40Mi}`), []string{"ContainerMemoryNearLimit"}},
	{pod("giant", `["sleep", "1d"]`, `requests: {cpu: "1000"}`), []string{"PodUnschedulable"}},
	{strings.Replace(pod("deaf", `["sleep", "1d"]`, ""), "command:", "readinessProbe: {exec: {command: [\"false\"]}, periodSeconds: 1}\n    command:", 1), []string{"PodNotReady"}},
	{controller("ReplicationController", "rc", nowhere), []string{"ContainerImagePull", "RCNoPods"}},
	{controller("ReplicaSet", "rs", nowhere), []string{"ReplicaSetNoPods"}},
	{controller("Deployment", "dep", nowhere) + "  progressDeadlineSeconds: 1\n", []string{"DeploymentNoPods", "DeploymentRolloutStuck"}},
	{controller("DaemonSet", "ds", nowhere), []string{"DaemonSetRolloutStuck"}},
	{controller("ReplicationController", "rc-apart", apart("rc-apart")), []string{"RCReplicasMismatch"}},
	{controller("ReplicaSet", "rs-apart", apart("rs-apart")), []string{"ReplicaSetReplicasMismatch"}},
	{controller("Deployment", "dep-apart", apart("dep-apart")), []string{"DeploymentReplicasMismatch"}},
	{bounded("no-pods", "pods: 0") + within("no-pods", controller("DaemonSet", "refused", nowhere)), []string{"DaemonSetNotScheduled"}},
	{bounded("no-sets", "count/replicasets.apps: 0") + within("no-sets", controller("Deployment", "refused", nowhere)), []string{"DeploymentGenerationMismatch"}},
	{bounded("rich", "requests.cpu: 1000"), []string{"QuotasOvercommit"}},
	{bounded("tight", "configmaps: 1"), []string{"QuotaAlmostFull"}}, // the authority's, which is in every namespace
	{"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: second}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few}\nspec: {hard: {configmaps: 1}}\n", []string{"QuotaExceeded"}},
	{"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: never}\nspec: {storageClassName: none, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n---\n" +
		strings.Replace(pod("claims", `["sleep", "1d"]`, ""), "  containers:", "  volumes: [{name: v, persistentVolumeClaim: {claimName: never}}]\n  containers:", 1), []string{"ClaimPending"}},
	{controller("ReplicationController", "shouts", says("level=info msg=paid", 300, "level=error msg=declined", 100_000)), []string{"LogErrorRate"}},
	{controller("ReplicationController", "mute", says("level=info msg=paid", 300, "level=info msg=bye", 1)), []string{"LogSilent"}},
	{"", []string{"DeadMansSwitch", "NamespaceWithoutLimits"}},
}

func pod(name, command, resources string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  terminationGracePeriodSeconds: 0\n  containers:\n  - name: main\n    image: %s\n    command: %s\n    resources: {%s}\n",
		name, machine.Image, command, resources)
}

// controller is one of two pods, or of one a node.
func controller(kind, name, spec string) string {
	api, selector, replicas := "apps/v1", "{matchLabels: {app: "+name+"}}", "  replicas: 2\n"
	switch kind {
	case "ReplicationController":
		api, selector = "v1", "{app: "+name+"}"
	case "DaemonSet":
		replicas = ""
	}
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s}\nspec:\n%s  selector: %s\n  template:\n    metadata: {labels: {app: %s}}\n    spec: {terminationGracePeriodSeconds: 0, %s}\n",
		api, kind, name, replicas, selector, name, spec)
}

// Pods of controllers: whose image is nowhere, and who run.
const (
	nowhere = "containers: [{name: main, image: 'localhost:1/none:1'}]"
	running = "containers: [{name: main, image: '" + machine.Image + "', command: [sleep, 1d]}]"
)

// apart is a pod that has its node alone among those of its controller.
func apart(name string) string {
	return "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: " + name + "}}}]}}, " + running
}

// says is a pod that prints lines of two kinds, so many of each and ten a second.
func says(first string, firsts int, then string, thens int) string {
	const script = "say() { i=0; while [ $i -lt $2 ]; do echo $1; i=$((i+1)); sleep 0.1; done; }; say '%s' %d; say '%s' %d; sleep 1d"
	return fmt.Sprintf("containers: [{name: main, image: '%s', command: [sh, -c, \"%s\"]}]", machine.Image, fmt.Sprintf(script, first, firsts, then, thens))
}

// bounded is a namespace with a quota; more may follow.
func bounded(name, hard string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %[1]s}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {namespace: %[1]s, name: bound}\nspec: {hard: {%[2]s}}\n---\n", name, hard)
}

// within puts an object into a namespace.
func within(namespace, manifest string) string {
	return strings.Replace(manifest, "metadata: {", "metadata: {namespace: "+namespace+", ", 1)
}

// TestRealCausesFireTheShippedRules makes what the rules are about happen on a
// node of its own.
func TestRealCausesFireTheShippedRules(t *testing.T) {
	peers.RequireReal(t)
	hook := newWeb(t, nil)
	m := machine.New(7)
	m.Disk = 1 << 30
	t.Cleanup(func() { require.NoError(t, m.Clean()) })
	require.NoError(t, m.Boot())
	receivers := filepath.Join(m.Dir, "receivers.yaml")
	require.NoError(t, os.WriteFile(receivers, []byte("route: {receiver: hook, group_by: [namespace, controller, pod, alertname], group_wait: 1s, group_interval: 1s}\nreceivers:\n- name: hook\n  webhook_configs: [{url: '"+hook.URL+"'}]\n"), 0o600))
	hurry(t, m.Config(), receivers)
	require.NoError(t, m.Interrupt())
	age(t, filepath.Join(m.Dir, "d"), 2*time.Hour)
	require.NoError(t, m.Start())
	program, err := run.Path("lubberline")
	require.NoError(t, err)
	want := []string{"CertificateExpiring"}
	var manifests []string
	for _, c := range causes {
		want, manifests = append(want, c.alerts...), append(manifests, c.manifest)
	}
	c := newCluster(t, m, program)
	c.apply(strings.Join(manifests, "---\n"))
	for _, d := range deeds {
		want = append(want, d.alerts...)
		d.do(c)
	}
	a := &aggregator{t: t, http: strings.TrimPrefix(m.HTTP, "http://")}
	fired := map[string]bool{}
	t.Cleanup(func() { t.Logf("fired: %v, missing: %v", slices.Sorted(maps.Keys(fired)), missing(want, fired)) })
	require.Eventually(t, func() bool {
		if maps.Copy(fired, a.firing()); !fired["StateStoreAlmostFull"] {
			c.keepStoreFull()
		}
		return len(missing(want, fired)) == 0
	}, 4*patience, 500*time.Millisecond, "alerts that must fire")
	fill(t, filepath.Join(m.Dir, "d"))
	want = []string{"NodePressure", "PodEvicted"}
	require.Eventually(t, func() bool {
		maps.Copy(fired, a.firing())
		return len(missing(want, fired)) == 0
	}, 2*patience, 500*time.Millisecond, "alerts of a full disk")
	cost, _ := a.query("sum(prometheus_rule_group_last_duration_seconds)")
	t.Logf("seconds for all rules once: %s", cost)
	told := messageOf(t, hook, "ContainerOOMKilled")
	require.Contains(t, told["logs"], "eating memory") // among the events of the pod
	require.Contains(t, told["dashboard_url"], "/d/lubberline-container?var-namespace=default&var-pod=oom&var-container=main&from=")
}

// fill leaves so little that the node evicts, and the stores still write.
func fill(t *testing.T, dir string) {
	t.Helper()
	var fs unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &fs))
	f, err := os.Create(filepath.Join(dir, "filler"))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, unix.Fallocate(int(f.Fd()), 0, 0, int64(fs.Bavail)*fs.Bsize-90<<20))
}

func missing(want []string, fired map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(want), func(name string) bool { return fired[name] })
}

// hurry makes a configuration evaluate the shipped rules in no time.
func hurry(t *testing.T, config, receivers string) {
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	const before = "aggregator: {resolution: 1s"
	require.Contains(t, string(text), before)
	with := strings.Replace(string(text), before, before+", "+fmt.Sprintf(hurried, receivers), 1)
	with = strings.Replace(with, "orchestrator:\n", fmt.Sprintf("orchestrator:\n  store_size: %d\n", storeSize), 1)
	require.NoError(t, os.WriteFile(config, []byte(with), 0o600))
}

func apply(t *testing.T, program, kubeconfig, manifest string) {
	cmd := exec.Command(program, "kubectl", "--kubeconfig", kubeconfig, "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, manifest)
}

// messageOf are the annotations of an alert in the message about it.
func messageOf(t *testing.T, w *web, name string) (annotations map[string]string) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, m := range w.got() {
			for _, a := range m.Alerts {
				if a.Labels["alertname"] == name && a.Annotations["logs"] != "" {
					annotations = a.Annotations
					return true
				}
			}
		}
		return false
	}, patience, pause, "a message about %s", name)
	return annotations
}

// TestAStoppedCollector stops the one that feeds an aggregator.
func TestAStoppedCollector(t *testing.T) {
	peers.RequireReal(t)
	hook := newWeb(t, nil)
	a := newAggregator(t, hookOnly(hook), "    standard: true\n    speed: 60\n")
	config := filepath.Join(a.dir, "collector.yaml")
	a.write("collector.yaml", fmt.Sprintf("collector:\n  node: lone\n  interval: 1s\n  http: %s\n  forward: {listen: ''}\n  remote_write: {url: 'http://%s/api/v1/write'}\n", freeAddress(t), a.http))
	c, err := run.Start("lubberline-collector", "--config", config, "--data-dir", filepath.Join(a.dir, "collector"))
	require.NoError(t, err)
	t.Cleanup(c.Kill)
	require.Eventually(t, func() bool { v, ok := a.query(`up{job="collector",node="lone"}`); return ok && v == "1" }, patience, pause, c.Out.Tail(2000))
	require.NotContains(t, a.firing(), "CollectorDown")
	c.Kill()
	require.Eventually(t, func() bool { return a.firing()["CollectorDown"] }, 3*patience, time.Second)
}
