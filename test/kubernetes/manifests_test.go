package kubernetes

import "fmt"

// The manifests begin with dashes, for kubectl takes what begins with a brace
// for JSON.

// counting prints a numbered line twice a second.
const counting = "i=0; while :; do echo line $i of $HOSTNAME; i=$((i+1)); sleep 0.5; done"

// podSpec is the spec of a pod of one container, main, that runs a shell script.
func podSpec(script string) string {
	return fmt.Sprintf(`{terminationGracePeriodSeconds: 1, containers: [{name: main, image: %q, command: [sh, -c, %q]}]}`, image, script)
}

func pod(name, script string) string {
	return fmt.Sprintf(`---
{apiVersion: v1, kind: Pod, metadata: {name: %s, labels: {app: %s}}, spec: %s}`, name, name, podSpec(script))
}

// sleeper is a pod that does nothing, until it is told to end.
func sleeper(name string) string { return pod(name, "trap 'exit 0' TERM; sleep 36000 & wait") }

// controller is a replication controller.
func controller(name string, replicas int, script string) string {
	return workload("v1", "ReplicationController", name, replicas, fmt.Sprintf("{app: %s}", name), script)
}

// deployment is a deployment that waits for nothing.
func deployment(name string, replicas int, script string) string {
	return workload("apps/v1", "Deployment", name, replicas, fmt.Sprintf("{matchLabels: {app: %s}}", name), script)
}

func workload(version, kind, name string, replicas int, selector, script string) string {
	return fmt.Sprintf(`---
{apiVersion: %s, kind: %s, metadata: {name: %s, labels: {app: %s}},
  spec: {replicas: %d, selector: %s, template: {metadata: {labels: {app: %s}}, spec: %s}}}`,
		version, kind, name, name, replicas, selector, name, podSpec(script))
}
