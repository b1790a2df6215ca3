package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
)

func explain(k *kube) {
	out := k.run("explain", "rc.spec.replicas")
	for _, text := range []string{"KIND:       ReplicationController", "VERSION:    v1", "FIELD: replicas <integer>", "number of desired replicas"} {
		require.Contains(k.t, out, text)
	}
	require.Contains(k.t, k.run("explain", "deployment.spec.strategy.rollingUpdate"), "maxSurge")
	require.Contains(k.t, k.run("explain", "pod", "--recursive"), "terminationGracePeriodSeconds")
	require.Contains(k.t, k.refused("explain", "pod.spec.nothing"), `field "nothing" does not exist`)
}

func listResources(k *kube) {
	out := k.run("api-resources")
	for _, want := range []string{
		`pods +po +v1 +true +Pod`, `replicationcontrollers +rc +v1 +true`, `nodes +no +v1 +false`, `deployments +deploy +apps/v1 +true`,
		`daemonsets +ds +apps/v1`, `endpointslices +discovery.k8s.io/v1`, `leases +coordination.k8s.io/v1`, `events +ev +v1`, `events +ev +events.k8s.io/v1`,
		`poddisruptionbudgets +pdb +policy/v1`, `priorityclasses +pc +scheduling.k8s.io/v1 +false`, `selfsubjectaccessreviews +authorization.k8s.io/v1 +false`,
		`tokenreviews +authentication.k8s.io/v1`, `resourcequotas +quota`, `limitranges +limits`, `persistentvolumeclaims +pvc`,
	} {
		require.Regexp(k.t, want, out)
	}
	require.Contains(k.t, k.run("api-versions"), "apps/v1\n")
	for name := range strings.FieldsSeq(k.run("api-resources", "--verbs=list", "--namespaced", "-o", "name")) {
		k.run("get", name)
	}
}

func versions(k *kube) {
	var v struct {
		ServerVersion struct{ Major, Minor, GitVersion, Platform string }
		ClientVersion struct{ GitVersion string }
	}
	require.NoError(k.t, json.Unmarshal([]byte(k.run("version", "-o", "json")), &v))
	require.Equal(k.t, "1", v.ServerVersion.Major)
	require.Regexp(k.t, `^v1\.\d+\.\d+`, v.ServerVersion.GitVersion)
	require.NotEmpty(k.t, v.ServerVersion.Platform)
	require.Regexp(k.t, `^v1\.\d+\.\d+`, v.ClientVersion.GitVersion)
	require.Contains(k.t, k.run("cluster-info"), "is running at")
	require.Contains(k.t, k.run("cluster-info", "dump", "--namespaces="+k.ns), `"kind": "PodList"`)
}

func raw(k *kube) {
	require.Equal(k.t, "ok", k.run("get", "--raw", "/readyz"))
	require.Equal(k.t, "ok", k.run("get", "--raw", "/livez"))
	require.Contains(k.t, k.run("get", "--raw", "/readyz?verbose"), "[+]etcd ok")
	require.Contains(k.t, k.run("get", "--raw", "/metrics"), "apiserver_request_total")
	require.Contains(k.t, k.run("get", "--raw", "/openapi/v2"), "io.k8s.api.core.v1.Pod")
	require.Contains(k.t, k.run("get", "--raw", "/openapi/v3"), "apis/apps/v1")
	require.Contains(k.t, k.refused("get", "--raw", "/nothing"), "the server could not find the requested resource")

	var list struct {
		Metadata struct{ Continue, ResourceVersion string }
		Items    []json.RawMessage
	}
	for _, name := range []string{"a", "b", "c"} {
		k.run("create", "configmap", name)
	}
	url := "/api/v1/namespaces/" + k.ns + "/configmaps?limit=3"
	require.NoError(k.t, json.Unmarshal([]byte(k.run("get", "--raw", url)), &list))
	require.Len(k.t, list.Items, 3)
	require.NotEmpty(k.t, list.Metadata.Continue)
	next := list.Metadata.Continue
	list.Items, list.Metadata.Continue = nil, ""
	require.NoError(k.t, json.Unmarshal([]byte(k.run("get", "--raw", url+"&continue="+next)), &list))
	require.Len(k.t, list.Items, 1) // and the root certificates make four
	require.Empty(k.t, list.Metadata.Continue)
	for _, path := range []string{"/pods", "/stats/summary", "/metrics/resource", "/healthz"} {
		k.run("get", "--raw", "/api/v1/nodes/"+node+"/proxy"+path)
	}
}

func authorization(k *kube) {
	require.Equal(k.t, "yes\n", k.run("auth", "can-i", "delete", "pods"))
	out, _, err := k.try("auth", "can-i", "list", "secrets", "--as=nobody")
	require.Error(k.t, err)
	require.Equal(k.t, "no\n", out)
	require.Contains(k.t, k.refused("get", "pods", "--as=nobody"),
		`pods is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "`+k.ns+`"`)
	require.Contains(k.t, k.run("auth", "can-i", "--list"), "*.*")
	require.Contains(k.t, k.run("auth", "whoami"), "system:masters")
}

// roles gives a service account rights in the namespace, and takes them back.
func roles(k *kube) {
	robot := fmt.Sprintf("--as=system:serviceaccount:%s:robot", k.ns)
	k.run("create", "serviceaccount", "robot")
	k.run("create", "role", "pod-reader", "--verb=get,list,watch", "--resource=pods,pods/log")
	k.run("create", "rolebinding", "robot", "--role=pod-reader", "--serviceaccount="+k.ns+":robot")
	k.run("create", "rolebinding", "editor", "--clusterrole=edit", "--user=ann")
	require.Regexp(k.t, `robot +Role/pod-reader +\d+s +`+k.ns+`/robot\n`, k.run("get", "rolebindings", "robot", "-o", "wide"))
	require.Regexp(k.t, `pods +\[\] +\[\] +\[get list watch\]`, k.run("describe", "role", "pod-reader"))

	require.Equal(k.t, "yes\n", k.run("auth", "can-i", "list", "pods", robot))
	require.Equal(k.t, "yes\n", k.run("auth", "can-i", "create", "deployments", "--as=ann"), "edit gathers what is labelled for it")
	k.run("get", "pods", robot)
	require.Contains(k.t, k.refused("get", "secrets", robot), "forbidden")
	require.Contains(k.t, k.refused("get", "pods", "-A", robot), "at the cluster scope")
	out, _, err := k.try("auth", "can-i", "create", "roles", "--as=ann")
	require.Error(k.t, err)
	require.Equal(k.t, "no\n", out)

	require.Contains(k.t, k.refused("patch", "rolebinding", "robot", "-p", `{"roleRef":{"name":"other"}}`), "cannot change roleRef")
	k.run("delete", "rolebinding", "robot")
	require.Contains(k.t, k.refused("get", "pods", robot), "forbidden")
}

func configuration(k *kube) {
	view := k.run("config", "view")
	require.Contains(k.t, view, "server: https://127.0.0.1:")
	require.Contains(k.t, view, "certificate-authority-data: DATA+OMITTED")
	context := strings.TrimSpace(k.run("config", "current-context"))
	require.NotEmpty(k.t, context)
	own := filepath.Join(k.t.TempDir(), "config")
	data, err := os.ReadFile(k.m.Kubeconfig)
	require.NoError(k.t, err)
	require.NoError(k.t, os.WriteFile(own, data, 0o600))
	k.run("config", "set-context", context, "--namespace="+k.ns, "--kubeconfig="+own)
	cmd := k.command("get", "configmaps", "--kubeconfig="+own, "-o", "name")
	cmd.Args = append(cmd.Args[:1], cmd.Args[3:]...) // the namespace is the file's
	out, complaint, err := finish(cmd, "")
	require.NoError(k.t, err, complaint)
	require.Equal(k.t, "configmap/kube-root-ca.crt\n", out)
}

func top(k *kube) {
	k.create(pod("busy", "while :; do :; done"))
	k.ready("busy")
	// A machine that is late with a sample has none for a moment.
	k.matches(`^NAME +CPU\(cores\) +MEMORY\(bytes\) *\nbusy +\d+m +\d+Mi *\n$`, "top", "pod", "busy")
	k.matches(`busy +main +\d+m +\d+Mi`, "top", "pods", "--containers")
	k.matches(node+` +\d+m +\d+% +\d+Mi +\d+%`, "top", "nodes")
	k.matches("busy", "top", "pods", "-A", "--sort-by=cpu", "--sum")
	require.Contains(k.t, k.run("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/"+k.ns+"/pods/busy"), `"containers":[{"name":"main"`)
}

func tokens(k *kube) {
	k.run("create", "serviceaccount", "robot")
	token := strings.TrimSpace(k.run("create", "token", "robot", "--duration=1h"))
	require.Len(k.t, strings.Split(token, "."), 3)
	cmd := k.command("get", "pods", "--token="+token, "--kubeconfig="+withoutUser(k))
	_, complaint, err := finish(cmd, "")
	require.Error(k.t, err)
	require.Contains(k.t, complaint, `User "system:serviceaccount:`+k.ns+`:robot" cannot list resource "pods"`)
	k.create(sleeper("one"))
	k.ready("one")
	require.Contains(k.t, k.run("exec", "one", "--", "ls", "/var/run/secrets/kubernetes.io/serviceaccount"), "ca.crt\nnamespace\ntoken\n")
}

// withoutUser is a kubeconfig that names the cluster alone.
func withoutUser(k *kube) string {
	path := filepath.Join(k.t.TempDir(), "config")
	data, err := os.ReadFile(k.m.Kubeconfig)
	require.NoError(k.t, err)
	require.NoError(k.t, os.WriteFile(path, data, 0o600))
	for user := range strings.FieldsSeq(k.run("config", "get-users", "--kubeconfig="+path)) {
		if user != "NAME" {
			k.run("config", "delete-user", user, "--kubeconfig="+path)
		}
	}
	return path
}

func expose(k *kube) {
	k.create(controller("web", 2, "mkdir /w; echo ahoy >/w/index.html; exec httpd -f -p 8080 -h /w"))
	require.Equal(k.t, "service/web exposed\n", k.run("expose", "rc", "web", "--port=80", "--target-port=8080"))
	require.Regexp(k.t, `web +ClusterIP +10\.111\.\d+\.\d+ +<none> +80/TCP`, k.run("get", "service", "web"))
	k.becomes("2", "{.status.readyReplicas}", "rc", "web")
	k.until("both are endpoints", func() error {
		if n := len(strings.Fields(k.jsonpath("{.subsets[*].addresses[*].ip}", "endpoints", "web"))); n != 2 {
			return contains(k.run("get", "endpoints"), "two addresses")
		}
		return nil
	})
	k.becomes("true true", "{.items[*].endpoints[*].conditions.ready}", "endpointslices", "-l", "kubernetes.io/service-name=web")
	f := k.follow("port-forward", "service/web", ":80")
	f.prints("Forwarding from 127.0.0.1:", 1)
}

// withoutNamespace drops what newer kubectls say of it.
func withoutNamespace(out, ns string) string {
	return strings.ReplaceAll(out, " from "+ns+" namespace", "")
}
