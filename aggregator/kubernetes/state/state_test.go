package state

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lubberline/lubberline/catalog"
)

// collected is what was emitted: "metric{a=b,c=d}" to value, labels sorted.
type collected map[string]float64

func (c collected) emit(t *testing.T) Emit {
	return func(metric string, v float64, labels ...string) {
		require.Zero(t, len(labels)%2, metric)
		known, ok := catalog.Lookup(metric)
		require.True(t, ok, "%s is not in the catalog", metric)
		var pairs []string
		for i := 0; i < len(labels); i += 2 {
			require.True(t, slices.Contains(known.Labels, labels[i]) || strings.HasPrefix(labels[i], "label_"), "%s has no label %s in the catalog", metric, labels[i])
			if labels[i+1] != "" {
				pairs = append(pairs, labels[i]+"="+labels[i+1])
			}
		}
		slices.Sort(pairs)
		key := metric + "{" + strings.Join(pairs, ",") + "}"
		require.NotContains(t, c, key, "emitted twice")
		c[key] = v
	}
}

var at = metav1.NewTime(time.Unix(1_800_000_000, 0))

func yes() *bool { b := true; return &b }

func aPod() *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web-1", UID: "u1", CreationTimestamp: at, Labels: map[string]string{"app.kubernetes.io/name": "web"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicationController", Name: "web", Controller: yes()}},
		},
		Spec: v1.PodSpec{
			NodeName: "n1", RestartPolicy: v1.RestartPolicyAlways, ServiceAccountName: "default",
			Containers: []v1.Container{{Name: "nginx", Image: "nginx:1", Resources: v1.ResourceRequirements{
				Requests: v1.ResourceList{"cpu": resource.MustParse("250m"), "memory": resource.MustParse("1Gi")},
				Limits:   v1.ResourceList{"example.com/gpu": resource.MustParse("2")},
			}}},
			InitContainers: []v1.Container{{Name: "setup", Image: "busybox"}},
			Volumes:        []v1.Volume{{Name: "d", VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: "c"}}}},
		},
		Status: v1.PodStatus{
			Phase: v1.PodRunning, QOSClass: v1.PodQOSBurstable, PodIP: "10.0.0.5", HostIP: "10.0.0.1", StartTime: &at, PodIPs: []v1.PodIP{{IP: "10.0.0.5"}},
			Conditions: []v1.PodCondition{
				{Type: v1.PodReady, Status: v1.ConditionFalse}, {Type: v1.PodScheduled, Status: v1.ConditionTrue, LastTransitionTime: at},
			},
			ContainerStatuses: []v1.ContainerStatus{{
				Name: "nginx", Image: "nginx:1", ImageID: "sha256:1", ContainerID: "containerd://1", RestartCount: 3,
				State:                v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}},
			}},
			InitContainerStatuses: []v1.ContainerStatus{{Name: "setup", State: v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Reason: "Completed"}}}},
		},
	}
}

func TestAPod(t *testing.T) {
	got := collected{}
	Pod(got.emit(t), aPod())
	const id = "namespace=shop,pod=web-1,"
	for key, want := range map[string]float64{
		"kube_pod_info{created_by_kind=ReplicationController,created_by_name=web,host_ip=10.0.0.1,host_network=false,namespace=shop,node=n1,pod=web-1,pod_ip=10.0.0.5,uid=u1}": 1,
		"kube_pod_owner{namespace=shop,owner_is_controller=true,owner_kind=ReplicationController,owner_name=web,pod=web-1,uid=u1}":                                             1,
		"kube_pod_labels{label_app_kubernetes_io_name=web," + id + "uid=u1}":                                                                                                   1,
		"kube_pod_created{" + id + "uid=u1}":                                                                                                1_800_000_000,
		"kube_pod_status_phase{namespace=shop,phase=Running,pod=web-1,uid=u1}":                                                              1,
		"kube_pod_status_phase{namespace=shop,phase=Failed,pod=web-1,uid=u1}":                                                               0,
		"kube_pod_status_ready{condition=false," + id + "uid=u1}":                                                                           1,
		"kube_pod_status_ready{condition=true," + id + "uid=u1}":                                                                            0,
		"kube_pod_container_status_restarts_total{container=nginx," + id + "uid=u1}":                                                        3,
		"kube_pod_container_status_waiting_reason{container=nginx,namespace=shop,pod=web-1,reason=CrashLoopBackOff,uid=u1}":                 1,
		"kube_pod_container_status_last_terminated_reason{container=nginx,namespace=shop,pod=web-1,reason=OOMKilled,uid=u1}":                1,
		"kube_pod_container_status_last_terminated_exitcode{container=nginx," + id + "uid=u1}":                                              137,
		"kube_pod_container_resource_requests{container=nginx,namespace=shop,node=n1,pod=web-1,resource=cpu,uid=u1,unit=core}":              0.25,
		"kube_pod_container_resource_requests{container=nginx,namespace=shop,node=n1,pod=web-1,resource=memory,uid=u1,unit=byte}":           1 << 30,
		"kube_pod_container_resource_limits{container=nginx,namespace=shop,node=n1,pod=web-1,resource=example_com_gpu,uid=u1,unit=integer}": 2,
		"kube_pod_init_container_status_terminated_reason{container=setup,namespace=shop,pod=web-1,reason=Completed,uid=u1}":                1,
		"kube_pod_spec_volumes_persistentvolumeclaims_info{namespace=shop,persistentvolumeclaim=c,pod=web-1,uid=u1,volume=d}":               1,
	} {
		require.Contains(t, got, key)
		require.Equal(t, want, got[key], key)
	}
}

// Every metric of the catalog's table is made by some object, and nothing else.
func TestEveryMetricOfTheCatalogIsMade(t *testing.T) {
	got := collected{}
	emit := got.emit(t)
	full := aPod()
	full.DeletionTimestamp, full.Status.Phase = &at, v1.PodFailed
	full.Status.Conditions = []v1.PodCondition{
		{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: at}, {Type: v1.PodInitialized, Status: v1.ConditionTrue, LastTransitionTime: at},
		{Type: v1.PodScheduled, Status: v1.ConditionTrue, LastTransitionTime: at},
	}
	full.Status.ContainerStatuses[0].State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Reason: "Error", FinishedAt: at}}
	full.Spec.InitContainers[0].Resources = full.Spec.Containers[0].Resources
	full.Status.InitContainerStatuses[0].LastTerminationState = full.Status.ContainerStatuses[0].State
	Pod(emit, full)
	other := aPod()
	other.Name = "web-2"
	other.Status.ContainerStatuses[0].State = v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: at}}
	other.Status.Conditions = []v1.PodCondition{{Type: v1.PodScheduled, Status: v1.ConditionFalse}}
	Pod(emit, other)
	waiting := aPod()
	waiting.Name = "web-3"
	waiting.Status.InitContainerStatuses[0].State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "PodInitializing"}}
	Pod(emit, waiting)
	Node(emit, aNode())
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "x", CreationTimestamp: at, Labels: map[string]string{"a": "b"}}
	updated := meta
	updated.Annotations = map[string]string{"kubectl.kubernetes.io/next-controller-id": "y"}
	ReplicationController(emit, &v1.ReplicationController{ObjectMeta: updated})
	ReplicaSet(emit, &appsv1.ReplicaSet{ObjectMeta: meta})
	part := intstr.FromString("25%")
	replicas := int32(4)
	Deployment(emit, &appsv1.Deployment{ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Strategy: appsv1.DeploymentStrategy{
			RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &part, MaxUnavailable: &part}}},
		Status: appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{{Type: "Available", Status: "True", Reason: "MinimumReplicasAvailable"}}},
	})
	DaemonSet(emit, &appsv1.DaemonSet{ObjectMeta: meta})
	Namespace(emit, &v1.Namespace{ObjectMeta: meta})
	Service(emit, &v1.Service{ObjectMeta: meta})
	size := v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}
	PersistentVolume(emit, &v1.PersistentVolume{ObjectMeta: meta, Spec: v1.PersistentVolumeSpec{Capacity: size}})
	PersistentVolumeClaim(emit, &v1.PersistentVolumeClaim{ObjectMeta: meta, Spec: v1.PersistentVolumeClaimSpec{Resources: v1.VolumeResourceRequirements{Requests: size}}})
	ResourceQuota(emit, &v1.ResourceQuota{ObjectMeta: meta, Status: v1.ResourceQuotaStatus{Hard: size, Used: size}})
	LimitRange(emit, &v1.LimitRange{ObjectMeta: meta, Spec: v1.LimitRangeSpec{Limits: []v1.LimitRangeItem{{Type: "Container", Max: size}}}})

	made := map[string]bool{"lubberline_pod_info": true} // the join makes it: it looks at several objects
	for key := range got {
		made[key[:strings.IndexByte(key, '{')]] = true
	}
	for _, m := range catalog.KubernetesMetrics() {
		require.True(t, made[m.Name], "%s is in the catalog, but nothing makes it", m.Name)
	}
	require.Equal(t, 1.0, got["kube_deployment_spec_strategy_rollingupdate_max_surge{deployment=x,namespace=shop}"])
}

func aNode() *v1.Node {
	room := v1.ResourceList{"cpu": resource.MustParse("2"), "pods": resource.MustParse("110")}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n1", CreationTimestamp: at, Labels: map[string]string{"node-role.kubernetes.io/control-plane": ""}},
		Spec:       v1.NodeSpec{Taints: []v1.Taint{{Key: "k", Effect: v1.TaintEffectNoSchedule}}},
		Status: v1.NodeStatus{Capacity: room, Allocatable: room,
			Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}},
			Addresses:  []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: "10.0.0.1"}},
		},
	}
}
