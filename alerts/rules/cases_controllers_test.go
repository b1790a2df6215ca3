package rules

var controllerCases = []unitCase{
	{
		"RCReplicasMismatch", `
kube_replicationcontroller_spec_replicas{namespace="shop",replicationcontroller="web"} 3x60
kube_replicationcontroller_status_ready_replicas{namespace="shop",replicationcontroller="web"} 1x40 3x20
kube_replicationcontroller_spec_replicas{namespace="shop",replicationcontroller="moves"} 9x60
kube_replicationcontroller_status_ready_replicas{namespace="shop",replicationcontroller="moves"} 1x8 2x8 3x8 4x8 5x30`,
		"14m", "15m", "42m",
		one(`{namespace="shop",replicationcontroller="web"}`, "ReplicationController shop/web lacks 2 ready pods"),
	},
	{
		"RCNoPods", `
kube_replicationcontroller_spec_replicas{namespace="shop",replicationcontroller="web"} 3x60
kube_replicationcontroller_status_ready_replicas{namespace="shop",replicationcontroller="web"} 0x20 1x20
kube_replicationcontroller_spec_replicas{namespace="shop",replicationcontroller="off"} 0x60
kube_replicationcontroller_status_ready_replicas{namespace="shop",replicationcontroller="off"} 0x60`,
		"4m", "5m", "22m",
		one(`{namespace="shop",replicationcontroller="web"}`, "ReplicationController shop/web has none of 3 pods ready"),
	},
	{
		"RCGenerationMismatch", `
kube_replicationcontroller_metadata_generation{namespace="shop",replicationcontroller="web"} 3x60
kube_replicationcontroller_status_observed_generation{namespace="shop",replicationcontroller="web"} 2x20 3x20
kube_replicationcontroller_metadata_generation{namespace="shop",replicationcontroller="fine"} 3x60
kube_replicationcontroller_status_observed_generation{namespace="shop",replicationcontroller="fine"} 3x60`,
		"14m", "15m", "22m",
		one(`{namespace="shop",replicationcontroller="web"}`, "ReplicationController shop/web was changed, and its controller has not seen it"),
	},
	{
		"RCRolloutStuck", `
lubberline_replicationcontroller_update_info{namespace="shop",replicationcontroller="web",next="web-2"} 1x40 stale
kube_replicationcontroller_spec_replicas{namespace="shop",replicationcontroller="web"} 3 2x60
lubberline_replicationcontroller_update_info{namespace="shop",replicationcontroller="goes",next="goes-2"} 1x60
kube_replicationcontroller_spec_replicas{namespace="shop",replicationcontroller="goes"} 9x5 8x5 7x5 6x5 5x5 4x5 3x5 2x5`,
		"19m", "21m", "42m",
		one(`{namespace="shop",replicationcontroller="web",next="web-2"}`,
			"ReplicationController shop/web is in the middle of a rolling update to web-2 that does not go on"),
	},
	{
		"ReplicaSetReplicasMismatch", `
kube_replicaset_spec_replicas{namespace="shop",replicaset="bare"} 3x60
kube_replicaset_status_ready_replicas{namespace="shop",replicaset="bare"} 2x60
kube_replicaset_owner{owner_kind="<none>",owner_name="<none>",namespace="shop",replicaset="bare"} 1x60
kube_replicaset_spec_replicas{namespace="shop",replicaset="web-1"} 3x60
kube_replicaset_status_ready_replicas{namespace="shop",replicaset="web-1"} 2x60
kube_replicaset_owner{owner_kind="Deployment",owner_name="web",namespace="shop",replicaset="web-1"} 1x60`,
		"14m", "15m", "",
		one(`{namespace="shop",replicaset="bare"}`, "ReplicaSet shop/bare lacks 1 ready pods"),
	},
	{
		"ReplicaSetNoPods", `
kube_replicaset_spec_replicas{namespace="shop",replicaset="bare"} 3x60
kube_replicaset_status_ready_replicas{namespace="shop",replicaset="bare"} 0x60
kube_replicaset_spec_replicas{namespace="shop",replicaset="web-1"} 3x60
kube_replicaset_status_ready_replicas{namespace="shop",replicaset="web-1"} 0x60
kube_replicaset_owner{owner_kind="Deployment",owner_name="web",namespace="shop",replicaset="web-1"} 1x60`,
		"4m", "5m", "",
		one(`{namespace="shop",replicaset="bare"}`, "ReplicaSet shop/bare has none of 3 pods ready"),
	},
	{
		"DeploymentReplicasMismatch", `
kube_deployment_spec_replicas{namespace="shop",deployment="web"} 5x60
kube_deployment_status_replicas_ready{namespace="shop",deployment="web"} 4x30 5x30
kube_deployment_spec_replicas{namespace="shop",deployment="fine"} 5x60
kube_deployment_status_replicas_ready{namespace="shop",deployment="fine"} 5x60`,
		"14m", "15m", "32m",
		one(`{namespace="shop",deployment="web"}`, "Deployment shop/web lacks 1 ready pods"),
	},
	{
		"DeploymentNoPods", `
kube_deployment_spec_replicas{namespace="shop",deployment="web"} 5x60
kube_deployment_status_replicas_ready{namespace="shop",deployment="web"} 0x30 5x30
kube_deployment_spec_replicas{namespace="shop",deployment="some"} 5x60
kube_deployment_status_replicas_ready{namespace="shop",deployment="some"} 1x60`,
		"4m", "5m", "32m",
		one(`{namespace="shop",deployment="web"}`, "Deployment shop/web has none of 5 pods ready"),
	},
	{
		"DeploymentGenerationMismatch", `
kube_deployment_metadata_generation{namespace="shop",deployment="web"} 3x60
kube_deployment_status_observed_generation{namespace="shop",deployment="web"} 2x30 3x30
kube_deployment_metadata_generation{namespace="shop",deployment="fine"} 3x60
kube_deployment_status_observed_generation{namespace="shop",deployment="fine"} 3x60`,
		"14m", "15m", "32m",
		one(`{namespace="shop",deployment="web"}`, "Deployment shop/web was changed, and its controller has not seen it"),
	},
	{
		"DeploymentRolloutStuck", `
kube_deployment_status_condition{condition="Progressing",status="false",reason="ProgressDeadlineExceeded",namespace="shop",deployment="web"} 1x30 0x30
kube_deployment_status_condition{condition="Progressing",status="false",reason="NewReplicaSetAvailable",namespace="shop",deployment="fine"} 0x60`,
		"4m", "5m", "32m",
		one(`{namespace="shop",deployment="web"}`, "Deployment shop/web does not get on with its rollout"),
	},
	{
		"DaemonSetNotScheduled", `
kube_daemonset_status_desired_number_scheduled{namespace="kube-system",daemonset="agent"} 3x60
kube_daemonset_status_current_number_scheduled{namespace="kube-system",daemonset="agent"} 2x30 3x30
kube_daemonset_status_desired_number_scheduled{namespace="kube-system",daemonset="fine"} 3x60
kube_daemonset_status_current_number_scheduled{namespace="kube-system",daemonset="fine"} 3x60`,
		"9m", "10m", "32m",
		one(`{namespace="kube-system",daemonset="agent"}`, "DaemonSet kube-system/agent has no pod on 1 nodes that should have one"),
	},
	{
		"DaemonSetRolloutStuck", `
kube_daemonset_status_desired_number_scheduled{namespace="kube-system",daemonset="agent"} 3x60
kube_daemonset_status_number_available{namespace="kube-system",daemonset="agent"} 2x30 3x30
kube_daemonset_status_updated_number_scheduled{namespace="kube-system",daemonset="agent"} 1x60
kube_daemonset_status_desired_number_scheduled{namespace="kube-system",daemonset="goes"} 9x60
kube_daemonset_status_number_available{namespace="kube-system",daemonset="goes"} 8x60
kube_daemonset_status_updated_number_scheduled{namespace="kube-system",daemonset="goes"} 1x8 2x8 3x8 4x8 5x8 6x8 7x8`,
		"14m", "15m", "32m",
		one(`{namespace="kube-system",daemonset="agent"}`, "DaemonSet kube-system/agent lacks 1 available pods"),
	},
	{
		"DaemonSetMisscheduled", `
kube_daemonset_status_number_misscheduled{namespace="kube-system",daemonset="agent"} 2x30 0x30
kube_daemonset_status_number_misscheduled{namespace="kube-system",daemonset="fine"} 0x60`,
		"14m", "15m", "32m",
		one(`{namespace="kube-system",daemonset="agent"}`, "DaemonSet kube-system/agent has pods on 2 nodes that should have none"),
	},
}
