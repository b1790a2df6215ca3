package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func labelAndAnnotate(k *kube) {
	k.create(sleeper("one"))
	require.Equal(k.t, "pod/one labeled\n", k.run("label", "pod", "one", "tier=front"))
	require.Contains(k.t, k.refused("label", "pod", "one", "tier=back"), "'tier' already has a value (front), and --overwrite is false")
	k.run("label", "pod", "one", "tier=back", "--overwrite")
	require.Equal(k.t, "one", k.jsonpath("{.items[*].metadata.name}", "pods", "-l", "tier in (back, middle),app"))
	require.Regexp(k.t, `one .*back`, k.run("get", "pods", "-L", "tier"))
	require.Equal(k.t, "pod/one unlabeled\n", k.run("label", "pod", "one", "tier-"))
	require.Contains(k.t, k.refused("label", "pod", "one", "tier=-x"), "a valid label must be an empty string or consist of alphanumeric characters")

	require.Equal(k.t, "pod/one annotated\n", k.run("annotate", "pod", "one", "note=any text, even this: {}"))
	require.Equal(k.t, "any text, even this: {}", k.jsonpath("{.metadata.annotations.note}", "pod", "one"))
	k.run("annotate", "pod", "one", "note-")
	require.Empty(k.t, k.jsonpath("{.metadata.annotations}", "pod", "one"))
	require.Contains(k.t, k.refused("label", "pod", "one", "--resource-version=1", "x=y"), "the object has been modified; please apply your changes to the latest version and try again")
}

// editor is a script that does to a file what a person would.
func editor(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "editor")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	return path
}

// edits runs kubectl edit with that script as the editor.
func (k *kube) edits(script string, args ...string) (out, complaint string, err error) {
	cmd := k.command(append([]string{"edit"}, args...)...)
	cmd.Env = append(cmd.Env, "KUBE_EDITOR="+editor(k.t, script))
	return finish(cmd, "")
}

func edit(k *kube) {
	k.create(controller("web", 1, counting))
	out, complaint, err := k.edits(`sed -i 's/replicas: 1/replicas: 2/' "$1"`, "rc", "web")
	require.NoError(k.t, err, complaint)
	require.Equal(k.t, "replicationcontroller/web edited\n", out)
	k.becomes("2", "{.status.readyReplicas}", "rc", "web")

	_, complaint, err = k.edits(`true`, "rc", "web")
	require.NoError(k.t, err)
	require.Contains(k.t, complaint, "Edit cancelled, no changes made.")
	// A mistake is written into the file as a remark, and the editor is called
	// again; it leaves the file as it is then.
	_, complaint, err = k.edits(`grep -q 'must be greater than or equal to 0' "$1" && exit 0; sed -i 's/replicas: 2/replicas: -1/' "$1"`, "rc", "web")
	require.Error(k.t, err)
	require.Contains(k.t, complaint, `replicationcontrollers "web" is invalid`)
	require.Contains(k.t, complaint, "Edit cancelled, no valid changes were saved.")
	require.Equal(k.t, "2", k.jsonpath("{.spec.replicas}", "rc", "web"))
}

func patch(k *kube) {
	k.create(controller("web", 1, counting))
	rc := func(kind, patch string) []string {
		return []string{"patch", "rc", "web", "--type=" + kind, "-p", patch}
	}
	require.Equal(k.t, "replicationcontroller/web patched\n", k.run(rc("strategic",
		`{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"A","value":"1"}]}]}}}}`)...))
	require.Equal(k.t, image+" A", k.jsonpath("{.spec.template.spec.containers[*].image} {.spec.template.spec.containers[*].env[*].name}", "rc", "web"),
		"a list with a key is merged")
	k.run(rc("strategic", `{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"B","value":"2"}]}]}}}}`)...)
	require.Equal(k.t, "B A", k.jsonpath("{.spec.template.spec.containers[0].env[*].name}", "rc", "web"))
	k.run(rc("merge", `{"metadata":{"annotations":{"note":"x"}},"spec":{"replicas":2}}`)...)
	k.run(rc("merge", `{"metadata":{"annotations":null}}`)...)
	require.Equal(k.t, "2 ", k.jsonpath("{.spec.replicas} {.metadata.annotations}", "rc", "web"))
	k.run(rc("json", `[{"op":"test","path":"/spec/replicas","value":2},{"op":"replace","path":"/spec/replicas","value":3},{"op":"add","path":"/metadata/labels/tier","value":"front"}]`)...)
	require.Equal(k.t, "3 front", k.jsonpath("{.spec.replicas} {.metadata.labels.tier}", "rc", "web"))

	require.Contains(k.t, k.refused(rc("json", `[{"op":"test","path":"/spec/replicas","value":9},{"op":"replace","path":"/spec/replicas","value":1}]`)...), "The request is invalid")
	require.Equal(k.t, "3", k.jsonpath("{.spec.replicas}", "rc", "web"), "a patch is done whole or not at all")
	require.Contains(k.t, k.refused(rc("merge", `{"spec":{"replicas":-1}}`)...), `The ReplicationController "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0`)
	require.Contains(k.t, k.refused(rc("merge", `{"spec":{"replicas":"three"}}`)...), "cannot unmarshal string into Go struct field ReplicationControllerSpec.spec.replicas of type int32")
	k.run("patch", "rc", "web", "--subresource=scale", "--type=merge", "-p", `{"spec":{"replicas":1}}`)
	require.Equal(k.t, "replicationcontroller/web patched (no change)\n", k.run(rc("merge", `{"spec":{"replicas":1}}`)...))
}

func configMap(value string) string {
	return fmt.Sprintf("---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: %s}}", value)
}

func apply(k *kube) {
	require.Equal(k.t, "configmap/settings created\n", k.input("---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: red, size: small}}", "apply", "-f", "-"))
	k.run("patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"mine":"kept"}}`)
	require.Equal(k.t, "configmap/settings configured\n", k.input(configMap("blue"), "apply", "-f", "-"))
	require.JSONEq(k.t, `{"color":"blue","mine":"kept"}`, k.jsonpath("{.data}", "configmap", "settings"))
	require.Equal(k.t, "configmap/settings unchanged\n", k.input(configMap("blue"), "apply", "-f", "-"))
	require.Contains(k.t, k.run("apply", "view-last-applied", "configmap", "settings"), "color: blue")

	k.input(pod("one", counting), "apply", "-f", "-")
	require.Contains(k.t, k.refusedInput(pod("one", "sleep 1"), "apply", "-f", "-"),
		`The Pod "one" is invalid: spec: Forbidden: pod updates may not change fields other than`)
	two := configMap("red") + "\n---\n" + controller("web", 1, counting)
	k.input(two, "apply", "-f", "-")
	require.Equal(k.t, `configmap "settings" deleted`+"\n"+`replicationcontroller "web" deleted`+"\n",
		withoutNamespace(k.input(two, "delete", "-f", "-"), k.ns))
}

func applyServerSide(k *kube) {
	side := func(manager, value string, more ...string) []string {
		return append([]string{"apply", "--server-side", "--field-manager=" + manager, "-f", "-"}, more...)
	}
	require.Equal(k.t, "configmap/settings serverside-applied\n", k.input(configMap("red"), side("ann", "red")...))
	require.Equal(k.t, "ann Apply", k.jsonpath("{.metadata.managedFields[*].manager} {.metadata.managedFields[*].operation}", "configmap", "settings", "--show-managed-fields"))
	conflict := k.refusedInput(configMap("blue"), side("ben", "blue")...)
	require.Contains(k.t, conflict, `Apply failed with 1 conflict: conflict with "ann": .data.color`)
	require.Equal(k.t, "red", k.jsonpath("{.data.color}", "configmap", "settings"))
	k.input(configMap("red"), side("ben", "red")...) // the same value is shared
	require.Contains(k.t, k.refusedInput(configMap("blue"), side("ben", "blue")...), "conflict")
	k.input(configMap("blue"), side("ben", "blue", "--force-conflicts")...)
	require.Equal(k.t, "blue", k.jsonpath("{.data.color}", "configmap", "settings"))
	require.Contains(k.t, k.refusedInput(configMap("red"), side("ann", "red")...), `conflict with "ben"`)
	k.input("---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}", side("ben", "")...)
	require.Empty(k.t, k.jsonpath("{.data}", "configmap", "settings"), "what its only manager leaves out goes")
}

func dryRun(k *kube) {
	require.Equal(k.t, "replicationcontroller/web created (server dry run)\n", k.input(controller("web", 1, counting), "create", "--dry-run=server", "-f", "-"))
	require.Empty(k.t, k.run("get", "rc,pods", "-o", "name"))
	require.Contains(k.t, k.refusedInput(controller("web", -1, counting), "create", "--dry-run=server", "-f", "-"), "must be greater than or equal to 0")
	require.Contains(k.t, k.run("create", "deployment", "web", "--image="+image, "--dry-run=client", "-o", "yaml"), "kind: Deployment")
	k.create(controller("web", 0, counting))
	require.Equal(k.t, "replicationcontroller/web scaled (server dry run)\n", k.run("scale", "rc", "web", "--replicas=5", "--dry-run=server"))
	require.Equal(k.t, "0", k.jsonpath("{.spec.replicas}", "rc", "web"))
	k.run("delete", "rc", "web", "--dry-run=server")
	k.run("get", "rc", "web")
}

func diff(k *kube) {
	k.input(configMap("red"), "apply", "-f", "-")
	require.Empty(k.t, k.input(configMap("red"), "diff", "-f", "-"))
	out, complaint, err := k.tryInput(configMap("blue"), "diff", "-f", "-")
	require.ErrorContains(k.t, err, "exit status 1", complaint)
	require.Contains(k.t, out, "-  color: red\n+  color: blue\n")
	require.Equal(k.t, "red", k.jsonpath("{.data.color}", "configmap", "settings"))
}

func strict(k *kube) {
	odd := fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: odd}, spec: {containers: [{name: main, image: %q, comand: [sh]}], restartpolicy: Never}}`, image)
	out := k.refusedInput(odd, "create", "-f", "-")
	require.Contains(k.t, out, `Error from server (BadRequest): error when creating "STDIN": Pod in version "v1" cannot be handled as a Pod: strict decoding error: `+
		`unknown field "spec.containers[0].comand", unknown field "spec.restartpolicy"`)
	stdout, stderr, err := k.tryInput(odd, "create", "--validate=warn", "-f", "-")
	require.NoError(k.t, err)
	require.Contains(k.t, stderr, `Warning: unknown field "spec.containers[0].comand"`)
	require.Equal(k.t, "pod/odd created\n", stdout)
	k.run("delete", "pod", "odd", "--now")
	_, stderr, err = k.tryInput(odd, "create", "--validate=ignore", "-f", "-")
	require.NoError(k.t, err)
	require.Empty(k.t, stderr)
	twice := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice"},"immutable":true,"immutable":false}`
	require.Contains(k.t, k.refusedInput(twice, "create", "--raw", "/api/v1/namespaces/"+k.ns+"/configmaps?fieldValidation=Strict", "-f", "-"),
		`strict decoding error: duplicate field "immutable"`)
}
