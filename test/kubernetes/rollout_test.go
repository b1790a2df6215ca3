package kubernetes

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"
)

func rollOut(k *kube) {
	k.create(deployment("web", 3, counting))
	s := k.follow("rollout", "status", "deployment/web", "--timeout=60s")
	require.Zero(k.t, s.exits(), s.String())
	require.Contains(k.t, s.String(), `deployment "web" successfully rolled out`)
	require.Regexp(k.t, `web +3/3 +3 +3 +\d+s`, k.run("get", "deployment", "web"))
	first := k.jsonpath("{.items[*].metadata.name}", "replicasets")
	require.Regexp(k.t, `^web-[0-9a-z]+$`, first)
	require.Contains(k.t, k.names("pods")[0], first+"-")

	require.Equal(k.t, "deployment.apps/web env updated\n", k.run("set", "env", "deployment/web", "LEVEL=2"))
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	k.becomes("0 3", "{.items[*].spec.replicas}", "replicasets", "--sort-by={.metadata.creationTimestamp}")
	k.run("set", "image", "deployment/web", "main=docker.io/"+strings.TrimPrefix(image, "docker.io/")+"-none")
	k.shows("Waiting for deployment", "rollout", "status", "deployment/web", "--watch=false")
	k.until("the image cannot be pulled", func() error {
		out, _, err := k.try("get", "pods")
		if err != nil || !strings.Contains(out, "ImagePullBackOff") && !strings.Contains(out, "ErrImagePull") {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	require.Equal(k.t, "3", k.jsonpath("{.status.availableReplicas}", "deployment", "web"), "the old ones stay until new ones run")
	k.run("rollout", "undo", "deployment/web")
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	k.run("autoscale", "deployment", "web", "--max=5", "--dry-run=client", "-o", "name")
}

func rollBack(k *kube) {
	k.create(deployment("web", 2, counting))
	k.run("annotate", "deployment", "web", "kubernetes.io/change-cause=first")
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	k.until("the cause is at the replica set", func() error { return contains(k.run("rollout", "history", "deployment/web"), "first") })
	k.run("set", "env", "deployment/web", "LEVEL=2")
	k.run("annotate", "deployment", "web", "kubernetes.io/change-cause=second", "--overwrite")
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	k.until("the history has both", func() error {
		return contains(strings.Join(strings.Fields(k.run("rollout", "history", "deployment/web")), " "), "REVISION CHANGE-CAUSE 1 first 2 second")
	})
	require.Contains(k.t, k.run("rollout", "history", "deployment/web", "--revision=2"), "LEVEL:\t2")
	require.Equal(k.t, "deployment.apps/web rolled back\n", k.run("rollout", "undo", "deployment/web", "--to-revision=1"))
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	require.Empty(k.t, k.jsonpath("{.spec.template.spec.containers[0].env}", "deployment", "web"))
	k.until("the revision is the newest", func() error {
		return contains(strings.Join(strings.Fields(k.run("rollout", "history", "deployment/web")), " "), "REVISION CHANGE-CAUSE 2 second 3 first")
	})
	require.Contains(k.t, k.refused("rollout", "undo", "deployment/web", "--to-revision=9"), "unable to find specified revision 9 in history")
}

func contains(text, part string) error {
	if !strings.Contains(text, part) {
		return fmt.Errorf("no %q in %s", part, text)
	}
	return nil
}

func pauseRollOut(k *kube) {
	k.create(deployment("web", 2, counting))
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	require.Equal(k.t, "deployment.apps/web paused\n", k.run("rollout", "pause", "deployment/web"))
	require.Contains(k.t, k.refused("rollout", "pause", "deployment/web"), "deployments.apps \"web\" is already paused")
	k.run("set", "env", "deployment/web", "LEVEL=2")
	k.becomes("DeploymentPaused", "{.status.conditions[?(@.type=='Progressing')].reason}", "deployment", "web")
	k.until("the change was seen", func() error {
		var generations [2]string
		generations[0], generations[1], _ = strings.Cut(k.jsonpath("{.metadata.generation} {.status.observedGeneration}", "deployment", "web"), " ")
		if generations[0] != generations[1] {
			return fmt.Errorf("generations %v", generations)
		}
		return nil
	})
	require.Len(k.t, k.names("replicasets"), 1, "while paused nothing is rolled out")
	k.run("rollout", "resume", "deployment/web")
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	require.Len(k.t, k.names("replicasets"), 2)
}

func restartRollOut(k *kube) {
	k.create(strings.Replace(deployment("web", 2, counting), "spec: {", "spec: {strategy: {type: Recreate}, ", 1))
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	w := k.follow("get", "deployment", "web", "-w", "-o", "jsonpath={.status.replicas}/{.status.unavailableReplicas} ")
	old := k.names("pods")
	require.Equal(k.t, "deployment.apps/web restarted\n", k.run("rollout", "restart", "deployment/web"))
	k.run("rollout", "status", "deployment/web", "--timeout=60s")
	k.becomes("2", "{.status.readyReplicas}", "deployment", "web")
	w.prints(" /2 ", 1) // none, before the first new one
	for _, name := range old {
		k.until("the old ones are gone", func() error {
			if k.check("get", "pod", name) == nil {
				return fmt.Errorf("%s is there", name)
			}
			return nil
		})
	}
	require.NotEmpty(k.t, k.jsonpath(`{.spec.template.metadata.annotations.kubectl\.kubernetes\.io/restartedAt}`, "deployment", "web"))
}

func daemonSet(k *kube) {
	k.create(fmt.Sprintf(`{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: eye}, spec: {selector: {matchLabels: {app: eye}},
  template: {metadata: {labels: {app: eye}}, spec: %s}}}`, podSpec(counting)))
	k.run("rollout", "status", "daemonset/eye", "--timeout=60s")
	require.Regexp(k.t, `eye +1 +1 +1 +1 +1 +<none> +\d+s`, k.run("get", "daemonset", "eye"))
	k.run("set", "env", "daemonset/eye", "LEVEL=2")
	k.run("rollout", "status", "daemonset/eye", "--timeout=60s")
	require.Contains(k.t, k.run("rollout", "history", "daemonset/eye"), "2")
	require.Equal(k.t, "2", k.jsonpath("{.items[0].spec.containers[0].env[0].value}", "pods", "-l", "app=eye", "--field-selector=status.phase=Running"))
	k.run("rollout", "undo", "daemonset/eye")
	k.run("rollout", "status", "daemonset/eye", "--timeout=60s")
	k.run("delete", "daemonset", "eye")
	k.becomes("", "{.items[*].metadata.name}", "pods")
}
