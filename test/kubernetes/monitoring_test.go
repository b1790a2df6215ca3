package kubernetes

import (
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/program"
)

// TestMonitoringKnowsThePods finds samples, objects, logs and events of a
// replication controller's pods under the names that Kubernetes gives them.
func TestMonitoringKnowsThePods(t *testing.T) {
	m := sharedMachine(t)
	k := ours(t, m)
	k.create(controller("web", 2, counting))
	k.ready("-l", "app=web")
	pods := k.names("pods")
	for name, check := range map[string]func(*kube, []string){
		"figures": figures, "objects": objects, "logs": logsByController, "events": eventsAsRecords, "top": topOfAll,
	} {
		t.Run(name, func(t *testing.T) { check(&kube{t: t, m: m, path: k.path, ns: k.ns, home: k.home}, pods) })
	}
	k.run("delete", "rc", "web")
	k.becomes("", "{.items[*].metadata.name}", "pods")
	logsOfTheGone(k, pods)
}

// figures are in the model and in PromQL by namespace, pod and container.
func figures(k *kube, pods []string) {
	model := "/api/v1/model/namespaces/" + k.ns + "/pods/"
	k.until("the model has the pods", func() error {
		var found []string
		if err := k.m.get(model, &found); err != nil {
			return err
		}
		if slices.Sort(found); !slices.Equal(found, pods) {
			return fmt.Errorf("pods are %v, not %v", found, pods)
		}
		return nil
	})
	for _, metric := range []string{"memory/usage", "memory/working_set", "cpu/usage_rate", "uptime"} {
		k.until(metric+" of a container", func() error {
			var series struct{ Metrics []struct{ Value float64 } }
			if err := k.m.get(model+pods[0]+"/containers/main/metrics/"+metric, &series); err != nil {
				return err
			}
			if len(series.Metrics) == 0 {
				return fmt.Errorf("no points")
			}
			return nil
		})
	}
	k.until("the samples have the pods' names", func() error {
		found, err := k.m.samples(fmt.Sprintf(`count by (namespace, pod, container) (container_memory_working_set_bytes{namespace=%q,container="main"})`, k.ns))
		if err != nil || len(found) != 2 || found[fmt.Sprintf("container=main,namespace=%s,pod=%s", k.ns, pods[0])] != 1 {
			return fmt.Errorf("%v %w", found, err)
		}
		return nil
	})
}

// objects are told of in kube-state-metrics' names.
func objects(k *kube, pods []string) {
	for query, want := range map[string]float64{
		`kube_pod_info{namespace="NS",created_by_kind="ReplicationController",created_by_name="web",node="` + node + `"}`: 2,
		`lubberline_pod_info{namespace="NS",pod="` + pods[0] + `",node="` + node + `"}`:                                   1,
		`kube_pod_status_phase{namespace="NS",phase="Running"} == 1`:                                                      2,
		`kube_pod_container_status_ready{namespace="NS",container="main"} == 1`:                                           2,
		`kube_pod_owner{namespace="NS",owner_kind="ReplicationController",owner_name="web",owner_is_controller="true"}`:   2,
		`kube_replicationcontroller_spec_replicas{namespace="NS",replicationcontroller="web"} == 2`:                       1,
		`kube_replicationcontroller_status_ready_replicas{namespace="NS",replicationcontroller="web"} == 2`:               1,
		`kube_node_status_condition{condition="Ready",status="true"} == 1`:                                                1,
		`kube_namespace_status_phase{namespace="NS",phase="Active"} == 1`:                                                 1,
	} {
		query = strings.ReplaceAll(query, "NS", k.ns)
		k.until(query, func() error {
			found, err := k.m.samples("count(" + query + ")")
			if err != nil || found[""] != want {
				return fmt.Errorf("%v, not %v: %w", found, want, err)
			}
			return nil
		})
	}
	k.until("a controller's use of processors", func() error {
		found, err := k.m.samples(`sum by (controller) (container_memory_working_set_bytes{container="main"} * on (namespace, pod) group_left(controller)
			lubberline_pod_info{namespace="` + k.ns + `"})`)
		if err != nil || len(found) != 1 {
			return fmt.Errorf("%v %w", found, err)
		}
		return nil
	})
}

func logsByController(k *kube, pods []string) {
	k.until("lines of both pods are found by their controller", func() error {
		found, err := k.m.records(url.Values{"namespace": {k.ns}, "controller": {"ReplicationController/web"}, "stream": {"stdout"}})
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, e := range found {
			seen[e.Pod] = true
			if e.Labels["app"] != "web" || e.Node != node || e.Image == "" {
				return fmt.Errorf("a record is %+v", e)
			}
		}
		if len(seen) != 2 {
			return fmt.Errorf("lines of %v", seen)
		}
		return nil
	})
	for _, pod := range pods {
		lines, err := k.m.lines(k.ns, pod)
		require.NoError(k.t, err)
		_, err = complete(lines, pod)
		require.NoError(k.t, err)
	}
	require.Contains(k.t, lubberlineLogs(k, "--controller", "ReplicationController/web", "--text", "line 0 of"), "line 0 of "+pods[0])
}

func eventsAsRecords(k *kube, pods []string) {
	k.until("each event is stored once", k.eventsOnce)
	found, err := k.m.records(url.Values{"namespace": {k.ns}, "pod": {pods[0]}, "stream": {"event"}})
	require.NoError(k.t, err)
	var reasons []string
	for _, e := range found {
		reason, _, _ := strings.Cut(e.Message, ":")
		reasons = append(reasons, reason)
		require.Equal(k.t, "ReplicationController/web", e.Controller)
		require.Equal(k.t, "kubernetes.events", e.Tag)
	}
	require.ElementsMatch(k.t, []string{"Scheduled", "Pulled", "Created", "Started"}, reasons)
	found, err = k.m.records(url.Values{"namespace": {k.ns}, "stream": {"event"}, "text": {"Created pod"}})
	require.NoError(k.t, err)
	require.Len(k.t, found, 2, "the controller's own events")
}

func topOfAll(k *kube, pods []string) {
	k.until("kubectl top knows both", func() error {
		out, complaint, err := k.try("top", "pods", "--containers")
		if err != nil || !strings.Contains(out, pods[0]) || !strings.Contains(out, pods[1]) {
			return fmt.Errorf("%s%s %w", out, complaint, err)
		}
		return nil
	})
}

// logsOfTheGone are still there when the pods, and with them their files, are not.
func logsOfTheGone(k *kube, pods []string) {
	require.Contains(k.t, k.refused("logs", pods[0]), fmt.Sprintf("pods %q not found", pods[0]))
	for _, pod := range pods {
		k.until("the end of the pod is among its records", func() error {
			return contains(lubberlineLogs(k, pod, "--tail", "10000"), "Killing: Stopping container main")
		})
		out := lubberlineLogs(k, pod, "--tail", "10000")
		for _, text := range []string{"line 0 of " + pod, "line 1 of " + pod, "Started: "} {
			require.Contains(k.t, out, text)
		}
	}
}

// lubberlineLogs is `lubberline logs` in the namespace.
func lubberlineLogs(k *kube, args ...string) string {
	k.t.Helper()
	path, err := program.Path("lubberline")
	require.NoError(k.t, err)
	out, err := exec.Command(path, append([]string{"logs", "--url", k.m.HTTP, "-n", k.ns}, args...)...).CombinedOutput()
	require.NoError(k.t, err, "%s", out)
	return string(out)
}
