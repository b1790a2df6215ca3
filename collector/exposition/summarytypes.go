package exposition

import "time"

// The types of /stats/summary have the kubelet's JSON names. What is not known
// is left out.

type summary struct {
	Node nodeStats  `json:"node"`
	Pods []podStats `json:"pods"`
}

type nodeStats struct {
	NodeName         string           `json:"nodeName"`
	SystemContainers []containerStats `json:"systemContainers,omitempty"`
	StartTime        time.Time        `json:"startTime"`
	CPU              *cpuStats        `json:"cpu,omitempty"`
	Memory           *memoryStats     `json:"memory,omitempty"`
	Network          *networkStats    `json:"network,omitempty"`
	Fs               *fsStats         `json:"fs,omitempty"`
}

type podStats struct {
	PodRef       podReference     `json:"podRef"`
	StartTime    time.Time        `json:"startTime"`
	Containers   []containerStats `json:"containers"`
	CPU          *cpuStats        `json:"cpu,omitempty"`
	Memory       *memoryStats     `json:"memory,omitempty"`
	Network      *networkStats    `json:"network,omitempty"`
	ProcessStats *processStats    `json:"process_stats,omitempty"`
}

type podReference struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	UID       string `json:"uid"`
}

type containerStats struct {
	Name      string       `json:"name"`
	StartTime time.Time    `json:"startTime"`
	CPU       *cpuStats    `json:"cpu,omitempty"`
	Memory    *memoryStats `json:"memory,omitempty"`
	Rootfs    *fsStats     `json:"rootfs,omitempty"`
	Logs      *fsStats     `json:"logs,omitempty"`
}

type cpuStats struct {
	Time                 time.Time `json:"time"`
	UsageNanoCores       *uint64   `json:"usageNanoCores,omitempty"`
	UsageCoreNanoSeconds *uint64   `json:"usageCoreNanoSeconds,omitempty"`
}

type memoryStats struct {
	Time            time.Time `json:"time"`
	AvailableBytes  *uint64   `json:"availableBytes,omitempty"`
	UsageBytes      *uint64   `json:"usageBytes,omitempty"`
	WorkingSetBytes *uint64   `json:"workingSetBytes,omitempty"`
	RSSBytes        *uint64   `json:"rssBytes,omitempty"`
	PageFaults      *uint64   `json:"pageFaults,omitempty"`
	MajorPageFaults *uint64   `json:"majorPageFaults,omitempty"`
}

// networkStats is the default interface's figures, and all interfaces.
type networkStats struct {
	Time time.Time `json:"time"`
	interfaceStats
	Interfaces []interfaceStats `json:"interfaces,omitempty"`
}

type interfaceStats struct {
	Name     string  `json:"name"`
	RxBytes  *uint64 `json:"rxBytes,omitempty"`
	RxErrors *uint64 `json:"rxErrors,omitempty"`
	TxBytes  *uint64 `json:"txBytes,omitempty"`
	TxErrors *uint64 `json:"txErrors,omitempty"`
}

type fsStats struct {
	Time           time.Time `json:"time"`
	AvailableBytes *uint64   `json:"availableBytes,omitempty"`
	CapacityBytes  *uint64   `json:"capacityBytes,omitempty"`
	UsedBytes      *uint64   `json:"usedBytes,omitempty"`
	InodesFree     *uint64   `json:"inodesFree,omitempty"`
	Inodes         *uint64   `json:"inodes,omitempty"`
	InodesUsed     *uint64   `json:"inodesUsed,omitempty"`
}

type processStats struct {
	ProcessCount *uint64 `json:"process_count,omitempty"`
}
