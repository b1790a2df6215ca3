package rules

// twoNodes are nodes of 4 and 2 cores.
const twoNodes = `
kube_node_status_allocatable{resource="cpu",unit="core",node="n1"} 4x60
kube_node_status_allocatable{resource="cpu",unit="core",node="n2"} 2x60
kube_node_status_allocatable{resource="memory",unit="byte",node="n1"} 100x60
kube_node_status_allocatable{resource="memory",unit="byte",node="n2"} 100x60
`

var capacityCases = []unitCase{
	{
		"ClusterAlmostFull", twoNodes + `
kube_pod_container_resource_requests{resource="cpu",unit="core",node="n1",$K} 5.7x30 1x30
kube_pod_container_resource_requests{resource="cpu",unit="core",namespace="shop",pod="giant",container="a",uid="u3"} 1000x60
kube_pod_status_phase{phase="Pending",namespace="shop",pod="giant",uid="u3"} 1x60
kube_pod_status_phase{phase="Running",$P} 1x60
kube_pod_container_resource_requests{resource="memory",unit="byte",node="n1",$K} 50x60
kube_pod_container_resource_requests{resource="memory",unit="byte",node="n1",namespace="shop",pod="done",container="a",uid="u2"} 500x60
kube_pod_status_phase{phase="Succeeded",namespace="shop",pod="done",uid="u2"} 1x60`,
		"14m", "15m", "32m",
		one(`{resource="cpu"}`, "The cluster has 95% of its cpu requested"),
	},
	{
		"ClusterOvercommit", twoNodes + `
kube_pod_container_resource_requests{resource="cpu",unit="core",node="n1",$K} 3x30 1x30
kube_pod_container_resource_requests{resource="memory",unit="byte",node="n1",$K} 50x60
kube_pod_status_phase{phase="Running",$P} 1x60`,
		"9m", "10m", "32m",
		one(`{resource="cpu"}`, "The cluster would have 150% of its cpu requested without its largest node"),
	},
	{
		"QuotasOvercommit", twoNodes + `
kube_resourcequota{type="hard",resource="requests.cpu",namespace="a",resourcequota="q"} 8x60
kube_resourcequota{type="hard",resource="cpu",namespace="b",resourcequota="q"} 4x60
kube_resourcequota{type="hard",resource="memory",namespace="b",resourcequota="q"} 50x60`,
		"14m", "15m", "",
		one(`{resource="cpu"}`, "The cluster has promised 200% of its cpu to namespaces by quotas"),
	},
	{
		"QuotaAlmostFull", `
kube_resourcequota{type="hard",resource="pods",namespace="shop",resourcequota="q"} 100x60
kube_resourcequota{type="used",resource="pods",namespace="shop",resourcequota="q"} 95x30 50x30
kube_resourcequota{type="hard",resource="services",namespace="shop",resourcequota="q"} 10x60
kube_resourcequota{type="used",resource="services",namespace="shop",resourcequota="q"} 11x60
kube_resourcequota{type="hard",resource="secrets",namespace="shop",resourcequota="q"} 0x60
kube_resourcequota{type="used",resource="secrets",namespace="shop",resourcequota="q"} 0x60`,
		"14m", "15m", "32m",
		one(`{namespace="shop",resourcequota="q",resource="pods"}`, "Quota shop/q has 95% of its pods used"),
	},
	{
		"QuotaExceeded", `
kube_resourcequota{type="hard",resource="pods",namespace="shop",resourcequota="q"} 10x60
kube_resourcequota{type="used",resource="pods",namespace="shop",resourcequota="q"} 12x30 10x30`,
		"14m", "15m", "32m",
		one(`{namespace="shop",resourcequota="q",resource="pods"}`, "Quota shop/q has 120% of its pods used"),
	},
}

var volumeCases = []unitCase{
	{
		"PersistentVolumeFailed", `
kube_persistentvolume_status_phase{phase="Failed",persistentvolume="pv-1"} 1x30 0x30
kube_persistentvolume_status_phase{phase="Failed",persistentvolume="pv-2"} 0x60
kube_persistentvolume_status_phase{phase="Bound",persistentvolume="pv-2"} 1x60`,
		"4m", "5m", "32m",
		one(`{persistentvolume="pv-1"}`, "PersistentVolume pv-1 could not be reclaimed"),
	},
	{
		"ClaimPending", `
kube_persistentvolumeclaim_status_phase{phase="Pending",namespace="shop",persistentvolumeclaim="data"} 1x30 0x30
kube_pod_spec_volumes_persistentvolumeclaims_info{volume="d",persistentvolumeclaim="data",$P} 1x60
kube_persistentvolumeclaim_status_phase{phase="Pending",namespace="shop",persistentvolumeclaim="unused"} 1x60`,
		"9m", "10m", "32m",
		one(`{namespace="shop",persistentvolumeclaim="data"}`, "PersistentVolumeClaim shop/data has no volume"),
	},
	{
		"ClaimLost", `
kube_persistentvolumeclaim_status_phase{phase="Lost",namespace="shop",persistentvolumeclaim="data"} 0x4 1x20 0x30
kube_persistentvolumeclaim_status_phase{phase="Lost",namespace="shop",persistentvolumeclaim="fine"} 0x60`,
		"5m", "6m", "28m",
		one(`{namespace="shop",persistentvolumeclaim="data"}`, "PersistentVolumeClaim shop/data has lost its volume"),
	},
}

var logCases = []unitCase{
	{
		"LogErrorRate", `
log_lines:count1m{namespace="shop",controller="Deployment/web",level="error"} 2x70 40x30 2x60
log_lines:count1m{namespace="shop",controller="Deployment/web",level="info"} 100x160
log_lines:count1m{namespace="shop",controller="Deployment/new",level="info"} 100x160
log_lines:count1m{namespace="shop",controller="Deployment/new",level="error"} _x70 30x30 0x60
log_lines:count1m{namespace="shop",controller="Deployment/noisy",level="error"} 50x160
log_lines:count1m{namespace="shop",controller="Deployment/rare",level="error"} 0x80 1x2 0x78`,
		"1h12m", "1h25m", "2h30m",
		[]expected{
			{`{namespace="shop",controller="Deployment/web"}`, "Deployment/web in shop logs 40 error lines a minute, over five times what it did in the hour before"},
			{`{namespace="shop",controller="Deployment/new"}`, "Deployment/new in shop logs 30 error lines a minute, over five times what it did in the hour before"},
		},
	},
	{
		"LogSilent", `
log_lines:count1m{namespace="shop",controller="Deployment/web",level="info"} 10x70 0x30 10x30
log_lines:count1m{namespace="shop",controller="Deployment/talks",level="info"} 10x200
log_lines:count1m{namespace="shop",controller="Deployment/quiet",level="info"} 0x10 3 0x200`,
		"1h25m", "1h32m", "1h45m",
		one(`{namespace="shop",controller="Deployment/web"}`, "Deployment/web in shop has logged nothing for 15 minutes"),
	},
}
