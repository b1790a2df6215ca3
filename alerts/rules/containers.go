package rules

import (
	"time"

	"github.com/lubberline/lubberline/catalog"
)

// Reasons for which a container waits, by the alert that tells of them. The
// others belong to a usual start.
const (
	pullReasons  = "ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|RegistryUnavailable"
	startReasons = "CreateContainerConfigError|CreateContainerError|RunContainerError|CreateSandboxError"
	crashReason  = "CrashLoopBackOff"
)

func containerRules() []Rule {
	return []Rule{
		{
			Name: "ContainerCPUNearLimit", Of: aContainer, Says: "uses {value} of its CPU limit", Unit: catalog.Ratio,
			Why:  "Beyond its limit a container is held back, and what it serves becomes slow.",
			Expr: perContainer(`rate(container_cpu_usage_seconds_total{$}[5m]) / ignoring (cpu) (container_spec_cpu_quota{$} / container_spec_cpu_period{$})`),
			When: above(0.9), For: 10 * time.Minute, Severity: Warning,
			Heapster: ratio("pod_container", "cpu/usage_rate", "cpu/limit"),
		},
		{
			Name: "ContainerCPUThrottled", Of: aContainer, Says: "is held back in {value} of the time by its CPU limit", Unit: catalog.Ratio,
			Why:  "Short bursts hit the CPU limit although the average does not: requests wait for the next period of 100 ms.",
			Expr: perContainer(`rate(container_cpu_cfs_throttled_periods_total{$}[5m]) / (rate(container_cpu_cfs_periods_total{$}[5m]) > 0)`),
			When: above(0.5), For: 15 * time.Minute, Severity: Info,
		},
		{
			Name: "ContainerMemoryNearLimit", Of: aContainer, Says: "uses {value} of its memory limit", Unit: catalog.Ratio,
			Why:  "At the limit the kernel kills the process.",
			Expr: perContainer(`container_memory_working_set_bytes{$} / container_spec_memory_limit_bytes{$}`),
			When: above(0.9), For: 5 * time.Minute, KeepFiringFor: 5 * time.Minute, Severity: Warning,
			Heapster: ratio("pod_container", "memory/working_set", "memory/limit"),
		},
		{
			Name: "ContainerOOMKilled", Of: aContainer, Says: "was killed because it reached its memory limit",
			Why: "What it worked on is lost, and it will happen again until it needs less or is given more.",
			Expr: onNode(`max by (namespace, pod, container) (increase(kube_pod_container_status_restarts_total[10m]) > 0 and on (namespace, pod, container) kube_pod_container_status_last_terminated_reason{reason="OOMKilled"} == 1)`+
				` or max by (namespace, pod, container) (kube_pod_container_status_terminated_reason{reason="OOMKilled"} == 1 and on (namespace, pod) time() - kube_pod_completion_time < 10m)`) +
				` or ((` + perContainer(`increase(container_oom_events_total{$}[10m])`) + `) > 0 unless on (namespace, pod, container) kube_pod_container_status_last_terminated_reason{reason="OOMKilled"} == 1)`,
			KeepFiringFor: 10 * time.Minute, Severity: Warning,
		},
		{
			Name: "ContainerCrashLooping", Of: aContainer, Says: "ends again and again, and waits longer each time",
			Why:  "It does not get to work: its log before the last end says why.",
			Expr: onNode(`max by (namespace, pod, container) (max_over_time(kube_pod_container_status_waiting_reason{reason="` + crashReason + `"}[5m]))`),
			When: atLeast(1), For: 10 * time.Minute, Severity: Warning,
		},
		{
			Name: "ContainerRestarting", Of: aContainer, Says: "was started {value} times in 15 minutes",
			Why: "It runs for a while and then ends.",
			Expr: onNode(`max by (namespace, pod, container) (increase(kube_pod_container_status_restarts_total[15m]) unless on (namespace, pod, container) kube_pod_container_status_waiting_reason{reason="`+crashReason+`"} == 1)`) +
				` or ` + perContainer(`changes(container_start_time_seconds{$}[15m]) unless on (namespace, pod, container) kube_pod_container_status_restarts_total`),
			When: atLeast(2.5), For: 5 * time.Minute, KeepFiringFor: 10 * time.Minute, Severity: Warning,
			Heapster: growth("pod_container", "restart_count", 15*time.Minute),
		},
		{
			Name: "ContainerImagePull", Of: aContainer, Says: "cannot start: its image cannot be pulled ({{ $labels.reason }})",
			Why:  "The image's name or tag is wrong, the registry cannot be reached, or it wants credentials.",
			Expr: onNode(`max by (namespace, pod, container, reason) (kube_pod_container_status_waiting_reason{reason=~"` + pullReasons + `"} or kube_pod_init_container_status_waiting_reason{reason=~"` + pullReasons + `"})`),
			For:  10 * time.Minute, Severity: Warning,
		},
		{
			Name: "ContainerCannotStart", Of: aContainer, Says: "cannot start: {{ $labels.reason }}",
			Why:  "Something that it refers to is missing, or the runtime refuses it.",
			Expr: onNode(`max by (namespace, pod, container, reason) (kube_pod_container_status_waiting_reason{reason=~"` + startReasons + `"} or kube_pod_init_container_status_waiting_reason{reason=~"` + startReasons + `"})`),
			For:  10 * time.Minute, Severity: Warning,
		},
		{
			Name: "ContainerDiskFilling", Of: aContainer, Says: "writes so much that its filesystem is full in {value}", Unit: catalog.Seconds,
			Why:  "Its writable layer has grown for an hour; a full disk stops everything on the node.",
			Expr: perContainer(`container_fs_available_bytes{$} / (deriv(container_fs_usage_bytes{$}[1h]) > 0)`),
			When: below(4 * 3600), For: 15 * time.Minute, KeepFiringFor: 15 * time.Minute, Severity: Warning,
			Heapster: ratio("pod_container", "filesystem/usage", "filesystem/limit").by("resource_id").when(above(0.85)).
				says("fills {value} of its filesystem", catalog.Ratio),
		},
		{
			Name: "ContainerThreadsNearLimit", Of: aContainer, Says: "has {value} of the threads it may have", Unit: catalog.Ratio,
			Why:  "It cannot start processes or threads any more; most programs end then.",
			Expr: perContainer(`container_threads{$} / container_threads_max{$}`),
			When: above(0.9), For: 10 * time.Minute, Severity: Warning,
		},
		{
			Name: "NamespaceWithoutLimits", Of: aNamespace, Says: "has {value} containers without a memory limit",
			Why:  "One of them that leaks takes the memory of its neighbours; the kernel then chooses whom to kill.",
			Expr: `count by (namespace) (kube_pod_container_status_running{namespace!~"kube-.*"} == 1 unless on (namespace, pod, container) kube_pod_container_resource_limits{resource="memory"})`,
			When: above(0), For: time.Hour, Severity: Info,
		},
	}
}
