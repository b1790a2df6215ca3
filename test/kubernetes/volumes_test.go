package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVolumes is what a person does with data that are to outlive pods.
func TestVolumes(t *testing.T) {
	m := sharedMachine(t)
	t.Cleanup(func() {
		if t.Failed() {
			m.describe(t)
		}
	})
	t.Run("at once", func(t *testing.T) {
		for name, scenario := range map[string]func(*kube){
			"retained": retainedVolume, "immediate": immediateVolume, "static": staticVolume, "reserved": reservedVolume,
			"in use": claimInUse, "unbound": unboundClaim, "quota": storageQuota, "memory": memoryVolume, "refused": refusedVolumes, "ephemeral": ephemeralVolume,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				scenario(ours(t, m))
			})
		}
	})
	t.Run("data survive", func(t *testing.T) { dataSurvive(ours(t, m)) })
	t.Run("drain", func(t *testing.T) { drainWithBudget(ours(t, m)) })
}

// claim asks for storage; more is further fields of its spec.
func claim(name, size, more string) string {
	return fmt.Sprintf(`---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: %s}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: %s}}%s}}
`, name, size, more)
}

// user is a pod with the claim at /data.
func user(name, claim, script string) string {
	return fmt.Sprintf(`---
{apiVersion: v1, kind: Pod, metadata: {name: %s}, spec: {terminationGracePeriodSeconds: 1, restartPolicy: OnFailure,
  containers: [{name: main, image: %q, command: [sh, -c, %q], volumeMounts: [{name: data, mountPath: /data}]}],
  volumes: [{name: data, persistentVolumeClaim: {claimName: %s}}]}}
`, name, image, script, claim)
}

const idle = "trap 'exit 0' TERM; sleep 36000 & wait"

// class is a storage class of our provisioner.
func class(name, mode, policy string) string {
	return fmt.Sprintf(`---
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: %s}, provisioner: lubberline.local/local-path, volumeBindingMode: %s, reclaimPolicy: %s}
`, name, mode, policy)
}

// clusterWide names an object that no namespace takes away.
func (k *kube) clusterWide(kind string) string {
	name := strings.ReplaceAll(k.ns, "test-", kind+"-")
	k.t.Cleanup(func() { _, _, _ = k.try("delete", kind, name, "--ignore-not-found", "--wait=false") })
	return name
}

// dataSurvive: the pod, its controller and the program go, what was written
// stays; the claim goes, and so does the folder.
func dataSurvive(k *kube) {
	require.Contains(k.t, k.run("get", "storageclass"), "local-path (default)   lubberline.local/local-path   Delete          WaitForFirstConsumer   false")
	k.create(claim("data", "10Mi", ""))
	k.shows("waiting for first consumer to be created before binding", "describe", "pvc", "data")
	require.Equal(k.t, "Pending local-path", k.jsonpath("{.status.phase} {.spec.storageClassName}", "pvc", "data"))

	k.create(user("writer", "data", "echo precious >/data/file; sync; "+idle))
	k.ready("writer")
	require.Equal(k.t, "Bound", k.jsonpath("{.status.phase}", "pvc", "data"))
	volume := k.jsonpath("{.spec.volumeName}", "pvc", "data")
	require.Regexp(k.t, volume+` +10Mi +RWO +Delete +Bound +`+k.ns+`/data +local-path`, k.run("get", "pv", volume))
	folder := k.jsonpath("{.spec.local.path}", "pv", volume)
	require.Equal(k.t, filepath.Join(k.m.Dir, "d/orchestrator/node/volumes", volume), folder)
	require.Equal(k.t, node, k.jsonpath("{.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]}", "pv", volume))

	k.run("delete", "pod", "writer")
	k.create(user("reader", "data", "cat /data/file; "+idle))
	k.ready("reader")
	k.shows("precious", "logs", "reader")

	k.m.Kill()
	require.NoError(k.t, k.m.Start())
	require.Equal(k.t, "precious\n", k.run("exec", "reader", "--", "cat", "/data/file"))
	k.run("delete", "pod", "reader")
	require.Equal(k.t, "Bound", k.jsonpath("{.status.phase}", "pvc", "data"))
	k.create(user("second", "data", "cat /data/file; "+idle))
	k.ready("second")
	k.shows("precious", "logs", "second")

	k.run("delete", "pod", "second")
	k.run("delete", "pvc", "data", "--timeout=60s")
	k.until("the volume is gone", func() error { return contains(k.refusal("get", "pv", volume), "not found") })
	require.NoDirExists(k.t, folder)
}

// refusal is what a kubectl says that fails, or nothing.
func (k *kube) refusal(args ...string) string {
	_, complaint, err := k.try(args...)
	if err == nil {
		return ""
	}
	return complaint
}

// retainedVolume: the claim goes and then the volume, the folder stays.
func retainedVolume(k *kube) {
	name := k.clusterWide("storageclass")
	k.create(class(name, "WaitForFirstConsumer", "Retain"))
	k.create(claim("data", "1Mi", ", storageClassName: "+name) + user("writer", "data", "echo kept >/data/file; "+idle))
	k.ready("writer")
	volume := k.jsonpath("{.spec.volumeName}", "pvc", "data")
	folder := k.jsonpath("{.spec.local.path}", "pv", volume)
	k.run("delete", "pod/writer", "pvc/data")
	k.becomes("Released", "{.status.phase}", "pv", volume)
	k.create(claim("other", "1Mi", ", storageClassName: "+name+", volumeName: "+volume))
	k.shows("already bound to a different claim", "describe", "pvc", "other")

	// The old claim is struck out by hand, and the next one has the data.
	k.run("patch", "pv", volume, "-p", `{"spec":{"claimRef":null}}`)
	k.becomes("Bound", "{.status.phase}", "pvc", "other")
	k.create(user("reader", "other", "cat /data/file; "+idle))
	k.ready("reader")
	k.shows("kept", "logs", "reader")
	k.run("delete", "pod/reader", "pvc/other")
	k.becomes("Released", "{.status.phase}", "pv", volume)
	k.run("delete", "pv", volume, "--timeout=60s")
	require.FileExists(k.t, filepath.Join(folder, "file"))
	require.NoError(k.t, os.RemoveAll(folder))
}

// immediateVolume is bound before any pod wants it.
func immediateVolume(k *kube) {
	name := k.clusterWide("storageclass")
	k.create(class(name, "Immediate", "Delete"))
	k.create(claim("data", "1Mi", ", storageClassName: "+name))
	k.becomes("Bound", "{.status.phase}", "pvc", "data")
	k.create(user("writer", "data", "echo x >/data/file; "+idle))
	k.ready("writer")
	k.run("delete", "pod/writer", "pvc/data", "--timeout=60s")
}

// staticVolume: of several volumes made by hand the smallest that does is taken.
func staticVolume(k *kube) {
	dir := k.t.TempDir()
	require.NoError(k.t, os.WriteFile(filepath.Join(dir, "file"), []byte("by hand\n"), 0o644))
	volume := func(name, size, label, policy string) string {
		return fmt.Sprintf(`---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: %s, labels: {of: %s}}, spec: {capacity: {storage: %s}, accessModes: [ReadWriteOnce, ReadOnlyMany],
  persistentVolumeReclaimPolicy: %s, storageClassName: manual, hostPath: {path: %s}}}
`, name, label, size, policy, dir)
	}
	small, large, recycled := k.clusterWide("pv")+"-small", k.clusterWide("pv")+"-large", k.clusterWide("pv")+"-recycled"
	k.t.Cleanup(func() { _, _, _ = k.try("delete", "pv", small, large, recycled, "--wait=false") })
	k.create(volume(large, "5Gi", k.ns, "Retain") + volume(small, "2Gi", k.ns, "Retain") + volume(recycled, "1Gi", k.ns+"-r", "Recycle"))
	k.becomes("Available", "{.status.phase}", "pv", small)
	k.becomes("Available", "{.status.phase}", "pv", large)
	selector := func(of string) string {
		return fmt.Sprintf(", storageClassName: manual, selector: {matchLabels: {of: %s}}", of)
	}
	k.create(claim("fits", "1500Mi", selector(k.ns)) + claim("huge", "50Gi", selector(k.ns)))
	k.becomes(small+" 2Gi", "{.spec.volumeName} {.status.capacity.storage}", "pvc", "fits")
	k.create(user("reader", "fits", "cat /data/file"))
	k.becomes("Succeeded", "{.status.phase}", "pod", "reader")
	require.Equal(k.t, "by hand\n", k.run("logs", "reader"))
	require.Equal(k.t, "Pending", k.jsonpath("{.status.phase}", "pvc", "huge"))

	k.create(claim("again", "1Gi", selector(k.ns+"-r")))
	k.becomes("Bound", "{.status.phase}", "pvc", "again")
	k.run("delete", "pvc", "again")
	k.becomes("Failed", "{.status.phase}", "pv", recycled)
	require.FileExists(k.t, filepath.Join(dir, "file"))
}

// reservedVolume is for a claim that comes later.
func reservedVolume(k *kube) {
	name := k.clusterWide("pv")
	k.create(fmt.Sprintf(`---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: %s}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: manual,
  claimRef: {namespace: %s, name: mine}, hostPath: {path: %s}}}`, name, k.ns, k.t.TempDir()))
	k.becomes("Available", "{.status.phase}", "pv", name)
	k.create(claim("mine", "1Gi", ", storageClassName: manual"))
	k.becomes(name+" Bound", "{.spec.volumeName} {.status.phase}", "pvc", "mine")
	k.run("delete", "pvc", "mine")
	k.becomes("Released", "{.status.phase}", "pv", name)
}

// claimInUse: a claim stays as long as a pod has it, a volume as long as a claim.
func claimInUse(k *kube) {
	k.create(claim("data", "1Mi", "") + user("owner", "data", idle))
	k.ready("owner")
	volume := k.jsonpath("{.spec.volumeName}", "pvc", "data")
	k.run("delete", "pvc", "data", "--wait=false")
	k.run("delete", "pv", volume, "--wait=false")
	require.Regexp(k.t, `data +Terminating +`+volume, k.run("get", "pvc", "data"))
	require.Regexp(k.t, volume+` .* Terminating `, k.run("get", "pv", volume))
	k.run("exec", "owner", "--", "sh", "-c", "echo still here >/data/file")
	k.create(user("late", "data", idle))
	k.shows(`persistentvolumeclaim "data" is being deleted`, "describe", "pod", "late")
	k.run("delete", "pod", "owner", "late")
	k.run("wait", "--for=delete", "pvc/data", "pv/"+volume, "--timeout=60s")
}

func unboundClaim(k *kube) {
	k.create(claim("nowhere", "1Gi", ", storageClassName: missing") + user("waiting", "nowhere", idle) + user("lost", "nothing", idle))
	k.shows("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "describe", "pod", "waiting")
	k.shows(`0/1 nodes are available: persistentvolumeclaim "nothing" not found.`, "describe", "pod", "lost")
	k.shows(`storageclass.storage.k8s.io "missing" not found`, "describe", "pvc", "nowhere")
	k.create(claim("nothing", "1Mi", ""))
	k.ready("lost")
}

func storageQuota(k *kube) {
	k.create(`---
{apiVersion: v1, kind: ResourceQuota, metadata: {name: storage}, spec: {hard: {requests.storage: 10Mi, persistentvolumeclaims: "3", local-path.storageclass.storage.k8s.io/requests.storage: 8Mi}}}`)
	k.becomes("0", "{.status.used.requests\\.storage}", "quota", "storage")
	k.create(claim("one", "6Mi", ""))
	complaint := k.refusedInput(claim("two", "5Mi", ", storageClassName: other"), "create", "-f", "-")
	require.Contains(k.t, complaint, "exceeded quota: storage, requested: requests.storage=5Mi, used: requests.storage=6Mi, limited: requests.storage=10Mi")
	complaint = k.refusedInput(claim("two", "3Mi", ""), "create", "-f", "-")
	require.Contains(k.t, complaint, "exceeded quota: storage, requested: local-path.storageclass.storage.k8s.io/requests.storage=3Mi")
	k.create(claim("two", "4Mi", ", storageClassName: other"))
	k.becomes("10Mi", "{.status.used.requests\\.storage}", "quota", "storage")
	k.run("delete", "pvc", "one", "--timeout=60s")
	k.becomes("4Mi", "{.status.used.requests\\.storage}", "quota", "storage")
	k.create(claim("three", "6Mi", ""))
}

// memoryVolume: what lies in it is memory of the pod, and ends with its limit.
func memoryVolume(k *kube) {
	spec := func(name, script string) string {
		return fmt.Sprintf(`---
{apiVersion: v1, kind: Pod, metadata: {name: %s}, spec: {terminationGracePeriodSeconds: 1, restartPolicy: Never,
  containers: [{name: main, image: %q, command: [sh, -c, %q], resources: {limits: {memory: 64Mi}}, volumeMounts: [{name: m, mountPath: /m}]}],
  volumes: [{name: m, emptyDir: {medium: Memory}}]}}
`, name, image, script)
	}
	const take = "head -c 40000000 /dev/zero | tail -c 39000000 | wc -c"
	k.create(spec("alone", take) +
		spec("both", "dd if=/dev/zero of=/m/file bs=1M count=40 2>/dev/null; "+take) +
		spec("full", "df -k /m | tail -1; dd if=/dev/zero of=/m/file bs=1M count=80; rm /m/file"))
	k.becomes("Succeeded", "{.status.phase}", "pod", "alone")
	require.Equal(k.t, "39000000\n", k.run("logs", "alone"))
	for _, killed := range []string{"both", "full"} {
		k.until(killed+" comes to its limit", func() error {
			out, _, err := k.try("get", "pod", killed, "-o", "jsonpath={.status.phase} {.status.containerStatuses[0].state.terminated}")
			if err != nil || !strings.HasPrefix(out, "Failed") && !strings.HasPrefix(out, "Succeeded") {
				return fmt.Errorf("%s %w", out, err)
			}
			return nil
		})
	}
	require.Contains(k.t, k.jsonpath("{.status.containerStatuses[0].state.terminated}", "pod", "both")+k.run("logs", "both"), "OOMKilled")
	require.Regexp(k.t, `tmpfs +65536 `, k.run("logs", "full"), "the volume is no larger than the limit")
}

// ephemeralVolume: a claim that comes and goes with its pod.
func ephemeralVolume(k *kube) {
	k.create(fmt.Sprintf(`---
{apiVersion: v1, kind: Pod, metadata: {name: one}, spec: {terminationGracePeriodSeconds: 1,
  containers: [{name: main, image: %q, command: [sh, -c, %q], volumeMounts: [{name: scratch, mountPath: /data}]}],
  volumes: [{name: scratch, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}}}]}}`, image, "echo x >/data/file; "+idle))
	k.ready("one")
	volume := k.jsonpath("{.spec.volumeName}", "pvc", "one-scratch")
	k.run("delete", "pod", "one")
	k.run("wait", "--for=delete", "pvc/one-scratch", "pv/"+volume, "--timeout=60s")
}

// refusedVolumes are those that a folder cannot be.
func refusedVolumes(k *kube) {
	name := k.clusterWide("storageclass")
	k.create(class(name, "Immediate", "Delete"))
	k.create(strings.ReplaceAll(claim("shared", "1Mi", ", storageClassName: "+name), "ReadWriteOnce", "ReadWriteMany"))
	k.shows("only the access modes ReadWriteOnce and ReadWriteOncePod are supported", "describe", "pvc", "shared")
	k.create(claim("raw", "1Mi", ", volumeMode: Block, storageClassName: "+name))
	k.shows("block volumes are not supported", "describe", "pvc", "raw")
	complaint := k.refusedInput(claim("none", "0", ""), "create", "-f", "-")
	require.Contains(k.t, complaint, "must be greater than zero")
	require.Contains(k.t, k.refused("patch", "storageclass", name, "-p", `{"reclaimPolicy":"Retain"}`), "updates to reclaimPolicy are forbidden.")
}

// drainWithBudget: the node is emptied as fast as the budget allows, and no
// faster.
func drainWithBudget(k *kube) {
	k.create(controller("web", 3, idle))
	k.create(`---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}}`)
	k.ready("-l", "app=web")
	k.becomes("3 2 3 1 True", `{.status.currentHealthy} {.status.desiredHealthy} {.status.expectedPods} {.status.disruptionsAllowed} {.status.conditions[0].status}`, "pdb", "web")
	require.Regexp(k.t, `web +N/A +1 +1 `, k.run("get", "pdb", "web"))
	k.t.Cleanup(func() { _, _, _ = k.try("uncordon", node) })
	drain := k.follow("drain", node, "--pod-selector=app=web", "--timeout=100s")
	drain.prints("Cannot evict pod as it would violate the pod's disruption budget.", 1)
	// On the only node, the new pod waits: two stay healthy.
	k.becomes("2 0 False", `{.status.currentHealthy} {.status.disruptionsAllowed} {.status.conditions[0].status}`, "pdb", "web")
	require.Len(k.t, strings.Fields(k.jsonpath(`{.items[?(@.status.phase=="Running")].metadata.name}`, "pods", "-l", "app=web")), 2)
	k.run("patch", "pdb", "web", "-p", `{"spec":{"maxUnavailable":"100%"}}`)
	require.Zero(k.t, drain.exits(), drain.String())
	require.Empty(k.t, k.jsonpath(`{.items[?(@.status.phase=="Running")].metadata.name}`, "pods", "-l", "app=web"))
	k.run("uncordon", node)
	k.becomes("3", "{.status.readyReplicas}", "rc", "web")
}
