package rules

const aNodeOf = `{node="n1"}`

var nodeCases = []unitCase{
	{
		"NodeNotReady", `
kube_node_status_condition{condition="Ready",status="true",node="n1"} 1 0x30 1x30
kube_node_status_condition{condition="Ready",status="true",node="cordoned"} 0x60
kube_node_spec_unschedulable{node="cordoned"} 1x60
kube_node_spec_unschedulable{node="n1"} 0x60
kube_node_status_condition{condition="Ready",status="true",node="n2"} 1x60`,
		"5m", "6m", "34m",
		one(aNodeOf, "Node n1 is not ready"),
	},
	{
		"NodesManyNotReady", `
kube_node_status_condition{condition="Ready",status="true",node="n1"} 1 1 0x8 1x10
kube_node_status_condition{condition="Ready",status="true",node="n2"} 1x30
kube_node_status_condition{condition="Ready",status="true",node="n3"} 1x30
kube_node_status_condition{condition="Ready",status="true",node="n4"} 1x30`,
		"2m", "3m", "12m",
		one(`{}`, "The cluster has 25% of its nodes not ready"),
	},
	{
		"NodeFlapping", `
kube_node_status_condition{condition="Ready",status="true",node="n1"} 1 0 1 0 1x60
kube_node_status_condition{condition="Ready",status="true",node="n2"} 1 0 1x60`,
		"7m", "8m", "40m",
		one(aNodeOf, "Node n1 became ready or not ready 4 times in 15 minutes"),
	},
	{
		"NodePressure", `
kube_node_status_condition{condition="DiskPressure",status="true",node="n1"} 1x20 0x30
kube_node_status_condition{condition="MemoryPressure",status="true",node="n1"} 0x50
kube_node_status_condition{condition="Ready",status="true",node="n1"} 1x50`,
		"4m", "5m", "40m",
		one(`{node="n1",condition="DiskPressure"}`, "Node n1 reports DiskPressure"),
	},
	{
		"NodeTooManyPods", `
kube_pod_info{namespace="shop",pod="a",uid="1",node="n1"} 1x40
kube_pod_status_phase{phase="Running",namespace="shop",pod="a",uid="1"} 1x40
kube_pod_info{namespace="shop",pod="b",uid="2",node="n1"} 1x40
kube_pod_status_phase{phase="Pending",namespace="shop",pod="b",uid="2"} 1x40
kube_pod_info{namespace="shop",pod="c",uid="3",node="n2"} 1x40
kube_pod_status_phase{phase="Running",namespace="shop",pod="c",uid="3"} 1x40
kube_pod_info{namespace="shop",pod="d",uid="4",node="n2"} 1x40
kube_pod_status_phase{phase="Succeeded",namespace="shop",pod="d",uid="4"} 1x40
kube_node_status_capacity{resource="pods",unit="integer",node="n1"} 2x40
kube_node_status_capacity{resource="pods",unit="integer",node="n2"} 2x40`,
		"14m", "15m", "",
		one(aNodeOf, "Node n1 has 100% of the pods that it may have"),
	},
	{
		"NodeCPUHigh", `
node_cpu_seconds_total{cpu="0",mode="idle",node="n1"} 0+3x60
node_cpu_seconds_total{cpu="1",mode="idle",node="n1"} 0+3x60
node_cpu_seconds_total{cpu="0",mode="iowait",node="n1"} 0x60
node_cpu_seconds_total{cpu="0",mode="idle",node="n2"} 0+30x60
node_cpu_seconds_total{cpu="0",mode="idle",node="n3"} 0+3x60
node_cpu_seconds_total{cpu="0",mode="iowait",node="n3"} 0+30x60`,
		"15m", "20m", "",
		one(aNodeOf, "Node n1 uses 95% of its CPU"),
	},
	{
		"NodeLoadHigh", `
node_load5{node="n1"} 10x40 1x20
node_cpu_seconds_total{cpu="0",mode="idle",node="n1"} 0+3x60
node_cpu_seconds_total{cpu="1",mode="idle",node="n1"} 0+3x60
node_load5{node="n2"} 3x60
node_cpu_seconds_total{cpu="0",mode="idle",node="n2"} 0+3x60`,
		"14m", "15m", "42m",
		one(aNodeOf, "Node n1 has 5 tasks for each CPU that run or wait for the disk"),
	},
	{
		"NodeMemoryHigh", `
node_memory_MemAvailable_bytes{node="n1"} 8x40 50x40
node_memory_MemTotal_bytes{node="n1"} 100x80
node_memory_MemAvailable_bytes{node="n2"} 50x80
node_memory_MemTotal_bytes{node="n2"} 100x80`,
		"14m", "15m", "50m",
		one(aNodeOf, "Node n1 uses 92% of its memory"),
	},
	{
		"NodeMajorFaults", `
node_vmstat_pgmajfault{node="n1"} 1+60000x60
node_vmstat_pgmajfault{node="n2"} 1+600x60`,
		"16m", "19m", "",
		one(aNodeOf, "Node n1 reads 1000 pages a second back from disk"),
	},
	{
		"NodeFileDescriptorsNearLimit", `
node_filefd_allocated{node="n1"} 80x40
node_filefd_maximum{node="n1"} 100x40
node_filefd_allocated{node="n2"} 10x40
node_filefd_maximum{node="n2"} 100x40`,
		"14m", "15m", "",
		one(aNodeOf, "Node n1 uses 80% of the file descriptors that the kernel gives"),
	},
	{
		"NodeConntrackNearLimit", `
node_nf_conntrack_entries{node="n1"} 80x40
node_nf_conntrack_entries_limit{node="n1"} 100x40
node_nf_conntrack_entries{node="n2"} 10x40
node_nf_conntrack_entries_limit{node="n2"} 100x40`,
		"4m", "5m", "",
		one(aNodeOf, "Node n1 tracks 80% of the connections that it can"),
	},
	{
		"NodeNetworkErrors", `
node_network_receive_errs_total{device="eth0",node="n1"} 0+60x60
node_network_transmit_errs_total{device="eth0",node="n1"} 0x60
node_network_receive_packets_total{device="eth0",node="n1"} 0+570x60
node_network_transmit_packets_total{device="eth0",node="n1"} 0+570x60
node_network_receive_errs_total{device="eth1",node="n1"} 0x60
node_network_transmit_errs_total{device="eth1",node="n1"} 0x60
node_network_receive_packets_total{device="eth1",node="n1"} 0+600x60
node_network_transmit_packets_total{device="eth1",node="n1"} 0+600x60
node_network_receive_errs_total{device="eth2",node="n1"} 0x60
node_network_transmit_errs_total{device="eth2",node="n1"} 0+60x60
node_network_receive_packets_total{device="eth2",node="n1"} 0x60
node_network_transmit_packets_total{device="eth2",node="n1"} 0x60
node_network_receive_errs_total{device="idle",node="n1"} 0x60
node_network_transmit_errs_total{device="idle",node="n1"} 0x60
node_network_receive_packets_total{device="idle",node="n1"} 0x60
node_network_transmit_packets_total{device="idle",node="n1"} 0x60`,
		"30m", "31m", "",
		[]expected{
			{`{node="n1",device="eth0"}`, "Node n1 loses 5% of the packets of eth0 to errors"},
			{`{node="n1",device="eth2"}`, "Node n1 loses 100% of the packets of eth2 to errors"},
		},
	},
	{
		"NodeDiskAlmostFull", `
node_filesystem_avail_bytes{device="/dev/vda",fstype="ext4",mountpoint="/",node="n1"} 8x40 50x20
node_filesystem_size_bytes{device="/dev/vda",fstype="ext4",mountpoint="/",node="n1"} 100x60
node_filesystem_avail_bytes{device="/dev/vda",fstype="ext4",mountpoint="/data",node="n1"} 8x40 50x20
node_filesystem_size_bytes{device="/dev/vda",fstype="ext4",mountpoint="/data",node="n1"} 100x60
node_filesystem_avail_bytes{device="/dev/vdb",fstype="ext4",mountpoint="/b",node="n1"} 1x60
node_filesystem_size_bytes{device="/dev/vdb",fstype="ext4",mountpoint="/b",node="n1"} 100x60
node_filesystem_avail_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run",node="n1"} 1x60
node_filesystem_size_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run",node="n1"} 100x60`,
		"14m", "15m", "42m",
		one(`{node="n1",device="/dev/vda"}`, "Filesystem /dev/vda on n1 has 8% left"),
	},
	{
		"NodeDiskFull", `
node_filesystem_avail_bytes{device="/dev/vdb",fstype="ext4",mountpoint="/b",node="n1"} 1x30 50x30
node_filesystem_size_bytes{device="/dev/vdb",fstype="ext4",mountpoint="/b",node="n1"} 100x60
node_filesystem_avail_bytes{device="/dev/vda",fstype="ext4",mountpoint="/",node="n1"} 8x60
node_filesystem_size_bytes{device="/dev/vda",fstype="ext4",mountpoint="/",node="n1"} 100x60`,
		"1m", "2m", "32m",
		one(`{node="n1",device="/dev/vdb"}`, "Filesystem /dev/vdb on n1 has 1% left"),
	},
	{
		"NodeDiskFilling", `
node_filesystem_avail_bytes{device="/dev/vda",fstype="ext4",mountpoint="/",node="n1"} 36000-40x400
node_filesystem_size_bytes{device="/dev/vda",fstype="ext4",mountpoint="/",node="n1"} 100000x400
node_filesystem_avail_bytes{device="/dev/vdb",fstype="ext4",mountpoint="/b",node="n1"} 36000-1x400
node_filesystem_size_bytes{device="/dev/vdb",fstype="ext4",mountpoint="/b",node="n1"} 100000x400
node_filesystem_avail_bytes{device="/dev/vdc",fstype="ext4",mountpoint="/c",node="n1"} 90000-100x400
node_filesystem_size_bytes{device="/dev/vdc",fstype="ext4",mountpoint="/c",node="n1"} 100000x400`,
		"1h", "1h1m", "",
		one(`{node="n1",device="/dev/vda"}`, "Filesystem /dev/vda on n1 is full in 13h 59m 0s if it goes on like this"),
	},
	{
		"NodeInodesAlmostFull", `
node_filesystem_files_free{device="/dev/vda",fstype="ext4",mountpoint="/",node="n1"} 4x30 50x30
node_filesystem_files{device="/dev/vda",fstype="ext4",mountpoint="/",node="n1"} 100x60
node_filesystem_files_free{device="/dev/vdb",fstype="ext4",mountpoint="/b",node="n1"} 50x60
node_filesystem_files{device="/dev/vdb",fstype="ext4",mountpoint="/b",node="n1"} 100x60`,
		"14m", "15m", "32m",
		one(`{node="n1",device="/dev/vda"}`, "Filesystem /dev/vda on n1 has 4% of its inodes left"),
	},
	{
		"NodeDiskSaturated", `
node_disk_io_time_weighted_seconds_total{device="vda",node="n1"} 1+1200x60
node_disk_io_now{device="vda",node="n1"} 500x60
node_disk_io_time_weighted_seconds_total{device="vdb",node="n1"} 1+60x60
node_disk_io_now{device="vdb",node="n1"} 500x60
node_disk_io_time_weighted_seconds_total{device="hangs",node="n1"} 5000x60
node_disk_io_now{device="hangs",node="n1"} 30x60
node_disk_io_time_weighted_seconds_total{device="idle",node="n1"} 5000x60
node_disk_io_now{device="idle",node="n1"} 0x60`,
		"29m", "34m", "",
		[]expected{
			{`{node="n1",device="vda"}`, "Node n1 has 20 requests waiting for vda"},
			{`{node="n1",device="hangs"}`, "Node n1 has 30 requests waiting for hangs"},
		},
	},
}
