package rules

import (
	"time"

	"github.com/lubberline/lubberline/catalog"
)

func nodeRules() []Rule {
	return append(append(nodeStateRules(), nodeLoadRules()...), diskRules()...)
}

func nodeStateRules() []Rule {
	const ready = `kube_node_status_condition{condition="Ready",status="true"}`
	return []Rule{
		{
			Name: "NodeNotReady", Of: aNode, Says: "is not ready",
			Why:  "Its pods are moved to other nodes after five minutes; until then what they serve is missing.",
			Expr: `max by (node) (` + ready + ` == 0 unless on (node) kube_node_spec_unschedulable == 1)`,
			For:  5 * time.Minute, Severity: Critical,
		},
		{
			Name: "NodesManyNotReady", Of: theNodes, Says: "has {value} of its nodes not ready", Unit: catalog.Ratio,
			Why:  "That is no single machine: look at the network, or at the control host.",
			Expr: `sum(` + ready + ` == bool 0) / count(` + ready + `)`,
			When: above(0.2), For: time.Minute, Severity: Critical,
		},
		{
			Name: "NodeFlapping", Of: aNode, Says: "became ready or not ready {value} times in 15 minutes",
			Why:  "Its pods are marked unready each time; something reaches it only now and then.",
			Expr: `max by (node) (changes(` + ready + `[15m]))`,
			When: above(2), For: 5 * time.Minute, KeepFiringFor: 15 * time.Minute, Severity: Warning,
		},
		{
			Name: "NodePressure", Of: aNode, Says: "reports {{ $labels.condition }}",
			Why:  "It evicts pods, and takes no new ones.",
			Expr: `max by (node, condition) (kube_node_status_condition{condition=~"MemoryPressure|DiskPressure|PIDPressure|NetworkUnavailable",status="true"})`,
			When: atLeast(1), For: 5 * time.Minute, KeepFiringFor: 5 * time.Minute, Severity: Warning,
		},
		{
			Name: "NodeTooManyPods", Of: aNode, Says: "has {value} of the pods that it may have", Unit: catalog.Ratio,
			Why: "It takes no more, whatever room there is.",
			Expr: `count by (node) (kube_pod_info{node!=""} and ` + live + `)` +
				` / on (node) max by (node) (kube_node_status_capacity{resource="pods"})`,
			When: above(0.95), For: 15 * time.Minute, Severity: Info,
		},
	}
}

func nodeLoadRules() []Rule {
	return []Rule{
		{
			Name: "NodeCPUHigh", Of: aNode, Says: "uses {value} of its CPU", Unit: catalog.Ratio,
			Why:  "Everything on it waits its turn.",
			Expr: `1 - sum by (node) (rate(node_cpu_seconds_total{mode=~"idle|iowait"}[5m])) / count by (node) (node_cpu_seconds_total{mode="idle"})`,
			When: above(0.9), For: 15 * time.Minute, KeepFiringFor: 5 * time.Minute, Severity: Warning,
			Heapster: figure(catalog.Node, "cpu/node_utilization"),
		},
		{
			Name: "NodeLoadHigh", Of: aNode, Says: "has {value} tasks for each CPU that run or wait for the disk",
			Why:  "With a CPU that is not busy, tasks hang in the disk.",
			Expr: `max by (node) (node_load5) / count by (node) (node_cpu_seconds_total{mode="idle"})`,
			When: above(4), For: 15 * time.Minute, Severity: Warning,
		},
		{
			Name: "NodeMemoryHigh", Of: aNode, Says: "uses {value} of its memory", Unit: catalog.Ratio,
			Why:  "Soon pods are evicted or killed.",
			Expr: `max by (node) (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)`,
			When: above(0.9), For: 15 * time.Minute, KeepFiringFor: 5 * time.Minute, Severity: Warning,
			Heapster: figure(catalog.Node, "memory/node_utilization"),
		},
		{
			Name: "NodeMajorFaults", Of: aNode, Says: "reads {value} pages a second back from disk",
			Why:  "Memory is so short that programs' own pages are dropped: the node is about to stand still.",
			Expr: `max by (node) (rate(node_vmstat_pgmajfault[5m]))`,
			When: above(500), For: 15 * time.Minute, Severity: Warning,
			Heapster: figure(catalog.Node, "memory/major_page_faults_rate"),
		},
		{
			Name: "NodeFileDescriptorsNearLimit", Of: aNode, Says: "uses {value} of the file descriptors that the kernel gives", Unit: catalog.Ratio,
			Why:  "At the limit nothing can open files or connections.",
			Expr: `max by (node) (node_filefd_allocated / node_filefd_maximum)`,
			When: above(0.7), For: 15 * time.Minute, Severity: Warning,
		},
		{
			Name: "NodeConntrackNearLimit", Of: aNode, Says: "tracks {value} of the connections that it can", Unit: catalog.Ratio,
			Why:  "At the limit new connections, services' included, are dropped.",
			Expr: `max by (node) (node_nf_conntrack_entries / node_nf_conntrack_entries_limit)`,
			When: above(0.75), For: 5 * time.Minute, Severity: Warning,
		},
		{
			Name: "NodeNetworkErrors", Of: aNode, Says: "loses {value} of the packets of {{ $labels.device }} to errors", Unit: catalog.Ratio,
			Why: "A cable, a card or its driver fails.",
			Expr: `max by (node, device) (` + lostOf("rate(node_network_receive_errs_total[5m]) + rate(node_network_transmit_errs_total[5m])",
				"rate(node_network_receive_packets_total[5m]) + rate(node_network_transmit_packets_total[5m])") + `)`,
			When: above(0.01), For: 30 * time.Minute, Severity: Warning,
		},
	}
}

func diskRules() []Rule {
	const (
		avail = `node_filesystem_avail_bytes{` + onDisk + `}`
		share = avail + ` / (node_filesystem_size_bytes{` + onDisk + `} > 0)`
	)
	return []Rule{
		{
			Name: "NodeDiskAlmostFull", Of: aDevice, Says: "has {value} left", Unit: catalog.Ratio,
			Why:  "At 15 % images that are not used are removed; below 10 % the node evicts pods.",
			Expr: `min by (node, device) (` + share + ` > 0.03)`,
			When: below(0.1), For: 15 * time.Minute, Severity: Warning,
			Heapster: ratio(catalog.Node, "filesystem/available", "filesystem/limit").by("resource_id"),
		},
		{
			Name: "NodeDiskFull", Of: aDevice, Says: "has {value} left", Unit: catalog.Ratio,
			Why:  "Databases, logs and the stores of Lubberline stop taking anything.",
			Expr: `min by (node, device) (` + share + `)`,
			When: below(0.03), For: 2 * time.Minute, Severity: Critical,
			Heapster: ratio(catalog.Node, "filesystem/available", "filesystem/limit").by("resource_id"),
		},
		{
			Name: "NodeDiskFilling", Of: aDevice, Says: "is full in {value} if it goes on like this", Unit: catalog.Seconds,
			Why:  "It has lost space for six hours.",
			Expr: `min by (node, device) (` + avail + ` / -(deriv(` + avail + `[6h]) < 0) and ` + share + ` < 0.4)`,
			When: below(24 * 3600), For: time.Hour, Severity: Warning,
		},
		{
			Name: "NodeInodesAlmostFull", Of: aDevice, Says: "has {value} of its inodes left", Unit: catalog.Ratio,
			Why:  "Without inodes no file can be made, however many bytes are free.",
			Expr: `min by (node, device) (node_filesystem_files_free{` + onDisk + `} / (node_filesystem_files{` + onDisk + `} > 0))`,
			When: below(0.05), For: 15 * time.Minute, Severity: Warning,
			Heapster: ratio(catalog.Node, "filesystem/inodes_free", "filesystem/inodes").by("resource_id"),
		},
		{
			Name: "NodeDiskSaturated", Of: aNode, Says: "has {value} requests waiting for {{ $labels.device }}",
			Why: "Everything that reads or writes there is slow.",
			// The kernel adds to the time when a request is done, which none is where the
			// disk does not answer at all.
			Expr: `max by (node, device) (rate(node_disk_io_time_weighted_seconds_total[5m]) > 0 or avg_over_time(node_disk_io_now[5m]))`,
			When: above(10), For: 30 * time.Minute, Severity: Warning,
		},
	}
}
