package kubernetes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKubectl is what a person does with a cluster, by the machine's own kubectl
// and by ours.
func TestKubectl(t *testing.T) {
	m := sharedMachine(t)
	t.Cleanup(func() {
		if t.Failed() {
			m.describe(t)
		}
	})
	found := kubectls(t)
	t.Run("at once", func(t *testing.T) {
		for from, path := range found {
			for name, scenario := range scenarios() {
				if from != "ours" && !slices.Contains(withBoth(), name) {
					continue
				}
				t.Run(from+" "+name, func(t *testing.T) {
					t.Parallel()
					scenario(newKube(t, m, path))
				})
			}
		}
	})
	for from, path := range found {
		t.Run(from+" node", func(t *testing.T) { takeNodeOut(newKube(t, m, path)) })
	}
}

// withBoth are the scenarios that are repeated with the machine's own kubectl,
// of another version than ours.
func withBoth() []string {
	return []string{
		"replication controller", "scale", "orphans", "describe", "watch", "events", "wait", "labels", "edit", "patch", "server side",
		"logs", "terminal", "port-forward", "copy", "debug", "rollout", "undo", "explain", "resources", "top",
	}
}

// scenarios do not disturb each other.
func scenarios() map[string]func(*kube) {
	return map[string]func(*kube){
		"replication controller": runController, "scale": scale, "orphans": deleteOrphaning, "foreground": deleteForeground,
		"describe": describe, "watch": watch, "events": watchEvents, "wait": waitFor,
		"labels": labelAndAnnotate, "edit": edit, "patch": patch, "apply": apply, "server side": applyServerSide,
		"server side dry run": dryRun, "diff": diff, "strict": strict,
		"logs": logs, "exec": execute, "terminal": executeOnTerminal, "port-forward": forwardPorts, "copy": copyFiles,
		"attach": attach, "run": runPod, "debug": debug,
		"rollout": rollOut, "undo": rollBack, "pause": pauseRollOut, "recreate": restartRollOut, "daemon set": daemonSet,
		"explain": explain, "resources": listResources, "versions": versions, "raw": raw, "authorization": authorization, "roles": roles,
		"config": configuration, "top": top, "namespace": deleteNamespace, "service account": tokens, "expose": expose,
	}
}

func runController(k *kube) {
	require.Equal(k.t, "replicationcontroller/web created\n", k.input(controller("web", 3, counting), "create", "-f", "-"))
	require.Contains(k.t, k.refusedInput(controller("web", 3, counting), "create", "-f", "-"),
		`Error from server (AlreadyExists): error when creating "STDIN": replicationcontrollers "web" already exists`)
	k.ready("-l", "app=web")
	k.shows("web    3         3         3", "get", "rc", "web")

	table := strings.Split(strings.TrimSpace(k.run("get", "pods", "-o", "wide", "-l", "app=web")), "\n")
	require.Len(k.t, table, 4)
	require.Equal(k.t, []string{"NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"}, strings.Fields(table[0]))
	row := regexp.MustCompile(fmt.Sprintf(`^web-[bcdfghjklmnpqrstvwxz2456789]{5} +1/1 +Running +0 +\d+s +10\.201\.0\.\d+ +%s +<none> +<none>$`, node))
	for _, line := range table[1:] {
		require.Regexp(k.t, row, strings.TrimSpace(line))
	}
	require.Empty(k.t, k.run("get", "pods", "-l", "app!=web", "-o", "name"))
	require.Len(k.t, strings.Fields(k.run("get", "pods", "--field-selector", "status.phase=Running,spec.nodeName="+node, "-o", "name")), 3)
	addresses := strings.Fields(k.jsonpath("{.items[*].status.podIP}", "pods", "-l", "app=web"))
	slices.Sort(addresses)
	require.Len(k.t, slices.Compact(addresses), 3, "each pod has an address of its own")
	k.run("describe", "rc", "web")

	lost := k.names("pods")[0]
	require.Equal(k.t, fmt.Sprintf("pod %q deleted\n", lost), strings.ReplaceAll(k.run("delete", "pod", lost), fmt.Sprintf(" from %s namespace", k.ns), ""))
	k.becomes("3", "{.status.readyReplicas}", "rc", "web")
	require.NotContains(k.t, k.names("pods"), lost)
	require.Equal(k.t, "replicationcontroller/web replaced\n", k.input(controller("web", 1, counting), "replace", "-f", "-"))
	k.becomes("1", "{.status.replicas}", "rc", "web")
	k.run("delete", "rc", "web")
	k.becomes("", "{.items[*].metadata.name}", "pods")
}

func scale(k *kube) {
	k.create(controller("web", 3, counting))
	require.Equal(k.t, "replicationcontroller/web scaled\n", k.run("scale", "rc", "web", "--replicas=1"))
	k.becomes("1", "{.status.replicas}", "rc", "web")
	require.Contains(k.t, k.refused("scale", "rc", "web", "--current-replicas=2", "--replicas=4"), "Expected replicas to be 2, was 1")
	k.run("scale", "rc", "web", "--current-replicas=1", "--replicas=4", "--timeout=60s")
	k.becomes("4 4", "{.status.replicas} {.status.readyReplicas}", "rc", "web")
	require.Len(k.t, k.names("pods"), 4)
	require.Contains(k.t, k.refused("scale", "rc", "web", "--replicas=-1"), "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
	k.run("scale", "rc", "web", "--replicas=0")
	k.becomes("", "{.items[*].metadata.name}", "pods")
}

func deleteOrphaning(k *kube) {
	k.create(controller("web", 2, counting))
	k.ready("-l", "app=web")
	pods := k.names("pods")
	k.run("delete", "rc", "web", "--cascade=orphan")
	k.becomes("", "{.items[*].metadata.ownerReferences}", "pods")
	require.Equal(k.t, pods, k.names("pods"))

	k.create(controller("web", 2, counting)) // which adopts them
	k.becomes("web web", "{.items[*].metadata.ownerReferences[*].name}", "pods")
	k.becomes("2", "{.status.replicas}", "rc", "web")
	require.Equal(k.t, pods, k.names("pods"))

	k.run("label", "pod", pods[0], "app=other", "--overwrite") // which is released, and replaced
	k.becomes("2", "{.status.readyReplicas}", "rc", "web")
	k.becomes("", "{.metadata.ownerReferences}", "pod", pods[0])
	require.Len(k.t, k.names("pods"), 3)
}

func deleteForeground(k *kube) {
	k.create(deployment("web", 2, counting))
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	k.run("delete", "deployment", "web", "--cascade=foreground")
	require.Empty(k.t, k.run("get", "deployments,replicasets,pods", "-o", "name"), "the owner goes last")
}

func describe(k *kube) {
	k.create(controller("web", 3, counting))
	k.ready("-l", "app=web")
	k.becomes("3", "{.status.readyReplicas}", "rc", "web")
	k.shows("Created pod: web-", "describe", "rc", "web")
	rc := k.run("describe", "rc", "web")
	for _, text := range []string{
		"Name:         web", "Namespace:    " + k.ns, "Selector:     app=web", "Replicas:     3 current / 3 desired",
		"Pods Status:  3 Running / 0 Waiting / 0 Succeeded / 0 Failed", "SuccessfulCreate", "replication-controller",
	} {
		require.Contains(k.t, rc, text)
	}
	name := k.names("pods")[0]
	k.shows("Started", "describe", "pod", name)
	text := k.run("describe", "pod", name)
	for _, want := range []string{
		`Status: +Running`, `IP: +10\.201\.0\.\d+`, `Controlled By: +ReplicationController/web`, `Container ID: +containerd://[0-9a-f]{64}`,
		`Image: +` + image, `Image ID: +\S+@?sha256:[0-9a-f]{64}|Image ID: +sha256:[0-9a-f]{64}`, `State: +Running\n +Started: `, `Ready: +True`, `Restart Count: +0`,
		`PodReadyToStartContainers +True`, `QoS Class: +BestEffort`,
		`Normal +Scheduled +\S+ +default-scheduler +Successfully assigned ` + k.ns + "/" + name + " to " + node,
		`Normal +Pulled +\S+ +kubelet +.*Container image "` + image + `" already present on machine`,
		`Normal +Created +\S+ +kubelet +.*Container created|Normal +Created +\S+ +kubelet +.*Created container`,
		`Normal +Started +\S+ +kubelet +.*Container started|Normal +Started +\S+ +kubelet +.*Started container`,
	} {
		require.Regexp(k.t, want, text)
	}
	text = k.run("describe", "node", node)
	for _, want := range []string{`Name: +` + node, `Taints: +<none>`, `Unschedulable: +false`, `Ready +True .*KubeletReady`, `PodCIDR: +10\.201\.0\.0/24`,
		`Container Runtime Version: +containerd://2\.`, `Kubelet Version: +v1\.`, k.ns + ` +` + name} {
		require.Regexp(k.t, want, text)
	}
}

func watch(k *kube) {
	k.create(sleeper("first"))
	w := k.follow("get", "pods", "-w")
	w.prints("first", 1) // from here on nothing is missed
	only := k.follow("get", "pods", "-w", "--watch-only", "--output-watch-events", "-o", "jsonpath={.type} {.object.metadata.name}{\"\\n\"}")
	tick := 0
	k.until("the other watch has begun", func() error {
		k.run("label", "pod", "first", "--overwrite", fmt.Sprintf("tick=%d", tick))
		tick++
		return contains(only.String(), "MODIFIED first")
	})
	k.create(sleeper("one"))
	k.ready("one")
	k.until("it is shown running", func() error {
		if !regexp.MustCompile(`one +1/1 +Running`).MatchString(w.String()) {
			return fmt.Errorf("%s", w.String())
		}
		return nil
	})
	only.prints("ADDED one", 1)
	k.run("delete", "pod", "one")
	w.prints("Terminating", 1)
	only.prints("DELETED one", 1)
	phases := regexp.MustCompile(`one +\d/1 +(\S+)`).FindAllStringSubmatch(w.String(), -1)
	require.Equal(k.t, "Pending", phases[0][1], w.String())
	require.True(k.t, slices.ContainsFunc(phases, func(p []string) bool { return p[1] == "ContainerCreating" }), w.String())
}

func watchEvents(k *kube) {
	k.create(sleeper("first"))
	k.ready("first")
	w := k.follow("get", "events", "-w")
	w.prints("pod/first", 1)
	k.create(sleeper("one"))
	w.prints("pod/one", len([]string{"Scheduled", "Pulled", "Created", "Started"}))
	require.Regexp(k.t, `\d+s +Normal +Scheduled +pod/one +Successfully assigned `+k.ns+`/one to `+node, w.String())
	out := k.run("events", "--for", "pod/one", "--types=Normal")
	require.Contains(k.t, out, "Scheduled")
	require.Contains(k.t, k.run("get", "events", "--field-selector", "reason=Started,involvedObject.name=one"), "pod/one")
	k.run("delete", "pod", "one")
	w.prints("Killing", 1)
}

func waitFor(k *kube) {
	k.create(pod("one", "sleep 1; exit 0"))
	k.run("wait", "--for=jsonpath={.spec.nodeName}="+node, "pod/one", "--timeout=60s")
	w := k.follow("wait", "--for=delete", "pod/one", "--timeout=60s")
	require.Contains(k.t, k.refused("wait", "--for=condition=Never", "pod/one", "--timeout=1s"), "timed out waiting for the condition on pods/one")
	k.run("delete", "pod", "one")
	require.Zero(k.t, w.exits())
	require.Contains(k.t, k.refused("wait", "--for=condition=Ready", "pod/one", "--timeout=1s"), `pods "one" not found`)
}

// takeNodeOut drains the node of the scenario's own pods only.
func takeNodeOut(k *kube) {
	k.create(controller("web", 2, counting))
	k.ready("-l", "app=web")
	old := k.names("pods")
	require.Equal(k.t, fmt.Sprintf("node/%s cordoned\n", node), k.run("cordon", node))
	k.t.Cleanup(func() { _, _, _ = k.try("uncordon", node) })
	k.shows("Ready,SchedulingDisabled", "get", "node", node)
	out := k.run("drain", node, "--pod-selector=app=web", "--ignore-daemonsets", "--timeout=60s")
	require.Contains(k.t, out, fmt.Sprintf("evicting pod %s/%s", k.ns, old[0])[:10])
	require.Contains(k.t, out, fmt.Sprintf("node/%s drained", node))
	for _, name := range old {
		require.NotContains(k.t, k.names("pods"), name)
	}
	k.shows("0/1 nodes are available: 1 node(s) were unschedulable", "get", "events", "--field-selector", "reason=FailedScheduling")
	require.Equal(k.t, fmt.Sprintf("node/%s uncordoned\n", node), k.run("uncordon", node))
	k.becomes("2", "{.status.readyReplicas}", "rc", "web")
}

func deleteNamespace(k *kube) {
	other := k.ns + "-other"
	k.run("create", "namespace", other)
	k.input(controller("web", 2, counting), "create", "-n", other, "-f", "-")
	k.run("wait", "-n", other, "--for=jsonpath={.status.readyReplicas}=2", "rc/web", "--timeout=60s")
	k.run("delete", "namespace", other, "--timeout=60s")
	require.Contains(k.t, k.refused("get", "namespace", other), `namespaces "`+other+`" not found`)
	require.Empty(k.t, k.run("get", "pods,rc,configmaps,serviceaccounts", "-n", other, "-o", "name"))
}
