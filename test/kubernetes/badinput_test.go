package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBadInput does what cannot succeed. Each gets Kubernetes' own error or
// condition, and a pod beside it goes on as if nothing was.
func TestBadInput(t *testing.T) {
	m := sharedMachine(t)
	beside := ours(t, m)
	beside.create(pod("steady", counting))
	beside.ready("steady")
	before := beside.jsonpath("{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].state.running.startedAt}", "pod", "steady")
	path := kubectls(t)["ours"]
	t.Run("at once", func(t *testing.T) {
		for name, scenario := range map[string]func(*kube){
			"malformed": malformed, "invalid": invalid, "huge": huge, "impossible": impossible, "image": noImage, "image never pulled": neverPulled,
			"liveness": deafLiveness, "readiness": deafReadiness, "sub-path": badSubPath, "config map": noConfigMap, "command": noCommand, "crash": crashing,
			"selector": strangeNode, "host port": takenPort,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				scenario(newKube(t, m, path))
			})
		}
	})
	beside.t = t
	require.Equal(t, before+" 0", beside.jsonpath("{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].state.running.startedAt} {.status.containerStatuses[0].restartCount}", "pod", "steady"))
	for i, line := range strings.Split(strings.TrimSpace(beside.run("logs", "steady")), "\n") {
		require.Equal(t, fmt.Sprintf("line %d of steady", i), line)
	}
	require.Equal(t, "ok", beside.run("get", "--raw", "/livez"))
	require.False(t, m.Ended())
	require.NotContains(t, m.Out.String(), "panic", "nothing panics, not even for one request")
}

func malformed(k *kube) {
	require.Contains(k.t, k.refusedInput("{a", "create", "-f", "-"), "error parsing STDIN: ")
	require.Contains(k.t, k.refusedInput("kind: Pod", "create", "-f", "-"), "apiVersion not set")
	require.Contains(k.t, k.refusedInput("{apiVersion: v1, kind: Ship, metadata: {name: x}}", "create", "-f", "-"),
		`no matches for kind "Ship" in version "v1"`)
	raw := func(body string) string {
		return k.refusedInput(body, "create", "--raw", "/api/v1/namespaces/"+k.ns+"/pods", "-f", "-")
	}
	require.Contains(k.t, raw(`{"apiVersion":"v1","kind":"Pod","spec":`), "couldn't get version/kind; json parse error")
	require.Contains(k.t, raw(`{"apiVersion":"v1","kind":"Pod","spec":[]}`), "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec")
	require.Contains(k.t, raw(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"x"}}`), "cannot be handled as a Pod")
	require.Contains(k.t, raw(strings.Repeat(`{"a":`, 50_000)), "json parse error")
	require.Contains(k.t, raw("\x00\xff\xfe"), "json parse error")
}

func invalid(k *kube) {
	require.Contains(k.t, k.refusedInput("{apiVersion: v1, kind: Pod, metadata: {name: Bad_Name}, spec: {containers: [{name: a, image: b}]}}", "create", "-f", "-"),
		`The Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters`)
	require.Contains(k.t, k.refusedInput("{apiVersion: v1, kind: Pod, metadata: {name: none}, spec: {}}", "create", "-f", "-"),
		`The Pod "none" is invalid: spec.containers: Required value`)
	require.Contains(k.t, k.refusedInput(strings.Replace(controller("web", 1, counting), "selector: {app: web}", "selector: {app: other}", 1), "create", "-f", "-"),
		"spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`")
	require.Contains(k.t, k.refusedInput(sleeper("x"), "create", "-n", "nowhere", "-f", "-"), `namespaces "nowhere" not found`)
	both := k.refusedInput(`{apiVersion: v1, kind: Pod, metadata: {name: many}, spec: {restartPolicy: Sometimes, containers: [{name: a, image: b, ports: [{containerPort: 70000}]}]}}`, "create", "-f", "-")
	require.Contains(k.t, both, `spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`)
	require.Contains(k.t, both, `spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"`)
}

func huge(k *kube) {
	file := filepath.Join(k.t.TempDir(), "big")
	require.NoError(k.t, os.WriteFile(file, []byte(strings.Repeat("x", 1<<20+1)), 0o600))
	require.Contains(k.t, k.refused("create", "configmap", "big", "--from-file="+file), `ConfigMap "big" is invalid: []: Too long: may not be more than 1048576 bytes`)
	require.NoError(k.t, os.WriteFile(file, []byte(strings.Repeat("x", 1<<20-100)), 0o600))
	k.run("create", "configmap", "big", "--from-file="+file)
	k.create(configMap("red"))
	require.Contains(k.t, k.refused("annotate", "--overwrite", "configmap", "settings", "note="+strings.Repeat("y", 100<<10), "other="+strings.Repeat("z", 100<<10), "third="+strings.Repeat("z", 100<<10)),
		"metadata.annotations: Too long: may not be more than 262144 bytes")
	body := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"huge"},"data":{"a":"` + strings.Repeat("x", 8<<20) + `"}}`
	require.Contains(k.t, k.refusedInput(body, "create", "--raw", "/api/v1/namespaces/"+k.ns+"/configmaps", "-f", "-"), "Request entity too large: limit is 3145728")
}

func impossible(k *kube) {
	k.create(strings.Replace(sleeper("big"), "image:", "resources: {requests: {cpu: 1000, memory: 1Pi}}, image:", 1))
	k.shows("0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.", "get", "events", "--field-selector=reason=FailedScheduling")
	require.Equal(k.t, "Pending PodScheduled False Unschedulable",
		k.jsonpath("{.status.phase} {.status.conditions[0].type} {.status.conditions[0].status} {.status.conditions[0].reason}", "pod", "big"))
	require.Contains(k.t, k.refusedInput(strings.Replace(sleeper("odd"), "image:", "resources: {requests: {cpu: 2}, limits: {cpu: 1}}, image:", 1), "create", "-f", "-"),
		`spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`)
	require.Contains(k.t, k.refusedInput(strings.Replace(sleeper("odd"), "image:", "resources: {requests: {cpu: much}}, image:", 1), "create", "-f", "-"),
		"quantities must match the regular expression")
	// Who names the node asks no scheduler; the node refuses by itself.
	k.create(strings.Replace(strings.Replace(sleeper("bold"), "image:", "resources: {requests: {cpu: 1000}}, image:", 1), "spec: {", "spec: {nodeName: "+node+", ", 1))
	k.becomes("Failed OutOfcpu", "{.status.phase} {.status.reason}", "pod", "bold")
	k.shows("OutOfcpu", "get", "pod", "bold")
}

func strangeNode(k *kube) {
	k.create(strings.Replace(sleeper("far"), "spec: {", "spec: {nodeSelector: {sea: north}, ", 1))
	k.shows("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", "get", "events", "--field-selector=reason=FailedScheduling")
	k.run("label", "node", node, "sea=north")
	k.ready("far")
	k.run("label", "node", node, "sea-")
}

func takenPort(k *kube) {
	port := func(name string) string {
		return strings.Replace(sleeper(name), "image:", "ports: [{containerPort: 80, hostPort: 23180}], image:", 1)
	}
	k.create(port("one"))
	k.ready("one")
	k.create(port("two"))
	k.shows("0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.", "get", "events", "--field-selector=reason=FailedScheduling")
	k.run("delete", "pod", "one")
	k.ready("two")
}

func noImage(k *kube) {
	k.create(strings.Replace(sleeper("lost"), image, "registry.invalid/ship:1", 1))
	k.shows("ErrImagePull", "get", "events", "--field-selector=reason=Failed")
	k.shows("ImagePullBackOff", "get", "pod", "lost")
	k.shows(`Back-off pulling image "registry.invalid/ship:1"`, "get", "events", "--field-selector=reason=BackOff")
	require.Contains(k.t, k.run("get", "events", "--field-selector=reason=Failed"), `Failed to pull image "registry.invalid/ship:1"`)
	require.Contains(k.t, k.refused("logs", "lost"), `container "main" in pod "lost" is waiting to start: trying and failing to pull image`)
	k.run("set", "image", "pod/lost", "main="+image) // which mends it
	k.ready("lost")
	k.create(strings.Replace(sleeper("odd"), image, "Not/An/Image", 1))
	k.shows("InvalidImageName", "get", "pod", "odd")
}

func neverPulled(k *kube) {
	k.create(strings.Replace(sleeper("lost"), fmt.Sprintf("image: %q", image), "imagePullPolicy: Never, image: registry.invalid/ship:1", 1))
	k.shows("ErrImageNeverPull", "get", "pod", "lost")
	k.shows(`Container image "registry.invalid/ship:1" is not present with pull policy of Never`, "get", "events", "--field-selector=reason=ErrImageNeverPull")
}

func deafLiveness(k *kube) {
	k.create(strings.Replace(sleeper("deaf"), "image:", "livenessProbe: {exec: {command: [sleep, '100']}, timeoutSeconds: 1, periodSeconds: 1, failureThreshold: 1}, image:", 1))
	k.shows("Liveness probe failed: ", "get", "events", "--field-selector=reason=Unhealthy")
	k.shows("Container main failed liveness probe, will be restarted", "get", "events", "--field-selector=reason=Killing")
	k.until("it is restarted", func() error {
		return k.check("wait", "pod/deaf", "--for=jsonpath={.status.containerStatuses[0].lastState.terminated.containerID}", "--timeout=1s")
	})
}

func deafReadiness(k *kube) {
	k.create(strings.Replace(sleeper("deaf"), "image:", "readinessProbe: {httpGet: {port: 81}, periodSeconds: 1}, image:", 1))
	k.shows("Readiness probe failed: Get \"http://10.201.0.", "get", "events", "--field-selector=reason=Unhealthy")
	require.Contains(k.t, k.refused("wait", "--for=condition=Ready", "pod/deaf", "--timeout=1s"), "timed out")
	require.Equal(k.t, "Running false 0 ContainersNotReady",
		k.jsonpath("{.status.phase} {.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount} {.status.conditions[?(@.type=='Ready')].reason}", "pod", "deaf"))
}

func badSubPath(k *kube) {
	sub := func(name, mount string) string {
		return strings.Replace(strings.Replace(sleeper(name), "image:", "volumeMounts: [{name: v, mountPath: /v, "+mount+"}], image:", 1),
			"spec: {", "spec: {volumes: [{name: v, emptyDir: {}}], ", 1)
	}
	require.Contains(k.t, k.refusedInput(sub("up", "subPath: a/../../b"), "create", "-f", "-"),
		`spec.containers[0].volumeMounts.subPath: Invalid value: "a/../../b": must not contain '..'`)
	require.Contains(k.t, k.refusedInput(sub("abs", "subPath: /a"), "create", "-f", "-"), `subPath: Invalid value: "/a": must be a relative path`)
	k.create(sub("unknown", "subPathExpr: $(NOTHING)"))
	k.shows("CreateContainerConfigError", "get", "pod", "unknown")
	k.shows("missing value for", "get", "events", "--field-selector=reason=Failed")
	k.create(sub("good", "subPath: a/b"))
	k.ready("good")
}

func noConfigMap(k *kube) {
	k.create(strings.Replace(sleeper("poor"), "image:", "envFrom: [{configMapRef: {name: settings}}], image:", 1))
	k.create(strings.Replace(strings.Replace(sleeper("bare"), "image:", "volumeMounts: [{name: v, mountPath: /v}], image:", 1),
		"spec: {", "spec: {volumes: [{name: v, configMap: {name: settings}}], ", 1))
	k.shows("CreateContainerConfigError", "get", "pod", "poor")
	k.shows(`Error: configmap "settings" not found`, "get", "events", "--field-selector=reason=Failed")
	k.shows("ContainerCreating", "get", "pod", "bare")
	k.shows(`MountVolume.SetUp failed for volume "v" : configmap "settings" not found`, "get", "events", "--field-selector=reason=FailedMount")
	k.create(configMap("red"))
	k.ready("poor", "bare")
	require.Equal(k.t, "red\n", k.run("exec", "poor", "--", "sh", "-c", "echo $color"))
	require.Equal(k.t, "red", k.run("exec", "bare", "--", "cat", "/v/color"))
}

func noCommand(k *kube) {
	k.create(fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: odd}, spec: {containers: [{name: main, image: %q, command: [/none]}]}}", image))
	k.shows("exec: \\\"/none\\\": stat /none: no such file or directory", "get", "pod", "odd", "-o", "json")
	require.Equal(k.t, "StartError 128", k.jsonpath("{.status.containerStatuses[0].lastState.terminated.reason} {.status.containerStatuses[0].lastState.terminated.exitCode}", "pod", "odd"))
}

func crashing(k *kube) {
	k.create(pod("odd", "exit 3"))
	k.shows("CrashLoopBackOff", "get", "pod", "odd")
	k.shows("Back-off restarting failed container main in pod odd", "get", "events", "--field-selector=reason=BackOff")
	require.Equal(k.t, "Error 3", k.jsonpath("{.status.containerStatuses[0].lastState.terminated.reason} {.status.containerStatuses[0].lastState.terminated.exitCode}", "pod", "odd"))
	k.run("delete", "pod", "odd")
}
