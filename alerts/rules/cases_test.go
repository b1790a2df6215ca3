package rules

// unitCase is a unit test of one rule: input in promtool's notation, and what
// fires when. $C, $D, $K, $P and $I in the input are labels of a pod's container
// as the collector has it, of a plain container, of the same container and pod as
// the API has them, and the pod's info.
type unitCase struct {
	rule, input string
	// before is when it does not fire yet, fires is when it does, and ends is
	// when it does not any more; ends may be empty.
	before, fires, ends string
	// alerts are the labels of each alert with its summary.
	alerts []expected
}

type expected struct{ labels, summary string }

var abbreviations = map[string]string{
	"$C": `job="collector",node="n1",namespace="shop",pod="web-1",container="nginx",id="/a",image="nginx:1"`,
	"$D": `job="collector",node="n1",name="db",id="/b",image="postgres:16"`,
	"$K": `job="kubernetes",namespace="shop",pod="web-1",container="nginx",uid="u1"`,
	"$P": `job="kubernetes",namespace="shop",pod="web-1",uid="u1"`,
	"$I": `kube_pod_info{job="kubernetes",namespace="shop",pod="web-1",uid="u1",node="n1"} 1x400`,
}

const (
	aContainerOf = `{node="n1",namespace="shop",pod="web-1",container="nginx"}`
	aPodOf       = `{node="n1",namespace="shop",pod="web-1"}`
)

func one(labels, summary string) []expected { return []expected{{labels, summary}} }

var containerCases = []unitCase{
	{
		"ContainerCPUNearLimit", `
container_cpu_usage_seconds_total{$C} 0+57x40 2280+6x40
container_spec_cpu_quota{$C} 100000x80
container_spec_cpu_period{$C} 100000x80
container_cpu_usage_seconds_total{$D} 0+30x80
container_spec_cpu_quota{$D} 100000x80
container_spec_cpu_period{$D} 100000x80
container_cpu_usage_seconds_total{node="n1",namespace="shop",pod="web-1",id="/sum"} 0+60x80
container_spec_cpu_quota{node="n1",namespace="shop",pod="web-1",id="/sum"} 100000x80
container_spec_cpu_period{node="n1",namespace="shop",pod="web-1",id="/sum"} 100000x80`,
		"14m", "15m", "50m",
		one(aContainerOf, "Container shop/web-1/nginx on n1 uses 95% of its CPU limit"),
	},
	{
		"ContainerCPUThrottled", `
container_cpu_cfs_throttled_periods_total{$D} 0+480x40
container_cpu_cfs_periods_total{$D} 0+600x40
container_cpu_cfs_throttled_periods_total{$C} 0+120x40
container_cpu_cfs_periods_total{$C} 0+600x40`,
		"15m", "16m", "",
		one(`{node="n1",name="db"}`, "Container db on n1 is held back in 80% of the time by its CPU limit"),
	},
	{
		"ContainerMemoryNearLimit", `
container_memory_working_set_bytes{$C} 50x9 95x20 50x40
container_spec_memory_limit_bytes{$C} 100x80
container_memory_working_set_bytes{$D} 50x80
container_spec_memory_limit_bytes{$D} 100x80`,
		"14m", "15m", "40m",
		one(aContainerOf, "Container shop/web-1/nginx on n1 uses 95% of its memory limit"),
	},
	{
		"ContainerOOMKilled", `
kube_pod_container_status_restarts_total{$K} 0x9 1x60
kube_pod_container_status_last_terminated_reason{reason="OOMKilled",$K} _x10 1x60
kube_pod_container_status_restarts_total{job="kubernetes",namespace="shop",pod="web-2",container="nginx",uid="u2"} 0x9 1x60
kube_pod_container_status_last_terminated_reason{reason="Error",job="kubernetes",namespace="shop",pod="web-2",container="nginx",uid="u2"} _x10 1x60
kube_pod_info{job="kubernetes",namespace="shop",pod="web-2",uid="u2",node="n1"} 1x60
container_oom_events_total{$C} 0x9 1x60
container_oom_events_total{$D} 0x9 2x60
$I`,
		"9m", "11m", "40m",
		[]expected{
			{aContainerOf, "Container shop/web-1/nginx on n1 was killed because it reached its memory limit"},
			{`{node="n1",name="db"}`, "Container db on n1 was killed because it reached its memory limit"},
		},
	},
	{
		"ContainerCrashLooping", `
kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff",$K} 1 stale _ 1 stale _ 1 stale _ _ 1 stale _ _ 1 stale _ 1x10 stale
kube_pod_container_status_waiting_reason{reason="ContainerCreating",job="kubernetes",namespace="shop",pod="web-2",container="nginx",uid="u2"} 1x60
$I`,
		"9m", "10m", "40m",
		one(aContainerOf, "Container shop/web-1/nginx on n1 ends again and again, and waits longer each time"),
	},
	{
		"ContainerRestarting", `
kube_pod_container_status_restarts_total{$K} 0 0 1 1 1 2 2 2 3 3x40
kube_pod_container_status_restarts_total{job="kubernetes",namespace="shop",pod="web-2",container="nginx",uid="u2"} 7x60
container_start_time_seconds{$D} 1 1 1 2 2 2 3 3 4x60
container_start_time_seconds{node="n1",name="quiet",id="/q",image="a"} 1x60
container_start_time_seconds{node="n1",namespace="docker",pod="web",container="web",id="/w",image="a"} 1 1 1 2 2 2 3 3 4x60
container_start_time_seconds{$C} 1 1 1 2 2 2 3 3 4x60
$I`,
		"12m", "13m", "50m",
		[]expected{
			{aContainerOf, "Container shop/web-1/nginx on n1 was started 3 times in 15 minutes"},
			{`{node="n1",namespace="docker",pod="web",container="web"}`, "Container docker/web/web on n1 was started 3 times in 15 minutes"},
			{`{node="n1",name="db"}`, "Container db on n1 was started 3 times in 15 minutes"},
		},
	},
	{
		"ContainerImagePull", `
kube_pod_container_status_waiting_reason{reason="ImagePullBackOff",$K} 1x20 stale
kube_pod_container_status_waiting_reason{reason="ContainerCreating",job="kubernetes",namespace="shop",pod="web-2",container="nginx",uid="u2"} 1x60
$I`,
		"9m", "10m", "25m",
		one(`{node="n1",namespace="shop",pod="web-1",container="nginx",reason="ImagePullBackOff"}`,
			"Container shop/web-1/nginx on n1 cannot start: its image cannot be pulled (ImagePullBackOff)"),
	},
	{
		"ContainerCannotStart", `
kube_pod_container_status_waiting_reason{reason="CreateContainerConfigError",$K} 1x20 stale
kube_pod_init_container_status_waiting_reason{reason="PodInitializing",job="kubernetes",namespace="shop",pod="web-2",container="nginx",uid="u2"} 1x60
$I`,
		"9m", "10m", "25m",
		one(`{node="n1",namespace="shop",pod="web-1",container="nginx",reason="CreateContainerConfigError"}`,
			"Container shop/web-1/nginx on n1 cannot start: CreateContainerConfigError"),
	},
	{
		"ContainerDiskFilling", `
container_fs_usage_bytes{device="/dev/vda",$C} 0+1000000x100
container_fs_available_bytes{device="/dev/vda",$C} 150000000x100
container_fs_usage_bytes{device="/dev/vda",$D} 0+1000x100
container_fs_available_bytes{device="/dev/vda",$D} 150000000x100`,
		"15m", "16m", "",
		one(aContainerOf, "Container shop/web-1/nginx on n1 writes so much that its filesystem is full in 2h 30m 0s"),
	},
	{
		"ContainerThreadsNearLimit", `
container_threads{$C} 96x30
container_threads_max{$C} 100x30
container_threads{$D} 10x30
container_threads_max{$D} 100x30`,
		"9m", "10m", "",
		one(aContainerOf, "Container shop/web-1/nginx on n1 has 96% of the threads it may have"),
	},
	{
		"NamespaceWithoutLimits", `
kube_pod_container_status_running{$K} 1x100
kube_pod_container_status_running{job="kubernetes",namespace="shop",pod="web-2",container="nginx",uid="u2"} 1x100
kube_pod_container_resource_limits{resource="memory",unit="byte",job="kubernetes",namespace="shop",pod="web-2",container="nginx",uid="u2"} 1000x100
kube_pod_container_status_running{namespace="kube-system",pod="dns",container="dns",uid="u3"} 1x100`,
		"59m", "1h", "",
		one(`{namespace="shop"}`, "Namespace shop has 1 containers without a memory limit"),
	},
}

var podCases = []unitCase{
	{
		"PodNotReady", `
kube_pod_status_phase{phase="Running",$P} 1x60
kube_pod_status_ready{condition="true",$P} 0x30 1x30
kube_pod_status_phase{phase="Running",namespace="shop",pod="crashes",uid="u2"} 1x60
kube_pod_status_ready{condition="true",namespace="shop",pod="crashes",uid="u2"} 0x60
kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff",namespace="shop",pod="crashes",container="a",uid="u2"} 1x60
kube_pod_info{namespace="shop",pod="crashes",uid="u2",node="n1"} 1x60
kube_pod_status_phase{phase="Pending",namespace="shop",pod="waits",uid="u3"} 1x60
kube_pod_status_unschedulable{namespace="shop",pod="waits",uid="u3"} 1x60
kube_pod_info{namespace="shop",pod="waits",uid="u3"} 1x60
kube_pod_status_phase{phase="Pending",namespace="shop",pod="job-1",uid="u4"} 1x60
kube_pod_owner{owner_kind="Job",owner_name="job",namespace="shop",pod="job-1",uid="u4"} 1x60
kube_pod_info{namespace="shop",pod="job-1",uid="u4",node="n1"} 1x60
$I`,
		"14m", "15m", "32m",
		one(aPodOf, "Pod shop/web-1 on n1 is not ready"),
	},
	{
		"PodUnschedulable", `
kube_pod_status_unschedulable{$P} 1x20 stale`,
		"9m", "10m", "22m",
		one(`{namespace="shop",pod="web-1"}`, "Pod shop/web-1 fits no node"),
	},
	{
		"PodStuckTerminating", `
kube_pod_deletion_timestamp{$P} 60x30 stale
$I`,
		"11m", "12m", "32m",
		one(aPodOf, "Pod shop/web-1 on n1 should have been gone 11m 0s ago"),
	},
	{
		"PodEvicted", `
kube_pod_status_reason{reason="Evicted",$P} 0x9 1x100
$I`,
		"9m", "10m", "1h15m",
		one(aPodOf, "Pod shop/web-1 on n1 was evicted from its node"),
	},
	{
		"PodNetworkErrors", `
container_network_receive_errors_total{interface="eth0",$P,node="n1"} 0+60x40
container_network_transmit_errors_total{interface="eth0",$P,node="n1"} 0x40
container_network_receive_packets_total{interface="eth0",$P,node="n1"} 0+570x40
container_network_transmit_packets_total{interface="eth0",$P,node="n1"} 0+570x40
container_network_receive_errors_total{interface="eth0",namespace="shop",pod="web-2",node="n1"} 0+1x40
container_network_transmit_errors_total{interface="eth0",namespace="shop",pod="web-2",node="n1"} 0x40
container_network_receive_packets_total{interface="eth0",namespace="shop",pod="web-2",node="n1"} 0+600x40
container_network_transmit_packets_total{interface="eth0",namespace="shop",pod="web-2",node="n1"} 0+600x40
container_network_receive_errors_total{interface="eth0",namespace="shop",pod="web-3",node="n1"} 0+60x40
container_network_transmit_errors_total{interface="eth0",namespace="shop",pod="web-3",node="n1"} 0x40
container_network_receive_packets_total{interface="eth0",namespace="shop",pod="web-3",node="n1"} 0x40
container_network_transmit_packets_total{interface="eth0",namespace="shop",pod="web-3",node="n1"} 0x40`,
		"15m", "16m", "",
		[]expected{
			{aPodOf, "Pod shop/web-1 on n1 loses 5% of its packets to errors"},
			{`{node="n1",namespace="shop",pod="web-3"}`, "Pod shop/web-3 on n1 loses 100% of its packets to errors"},
		},
	},
}
