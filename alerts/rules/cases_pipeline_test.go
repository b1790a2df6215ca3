package rules

var pipelineCases = []unitCase{
	{
		"CollectorDown", `
up{job="collector",node="n1"} 1x10 stale
up{job="collector",node="n2"} 1x200
kube_node_info{node="n3"} 1x200
kube_node_info{node="n2"} 1x200`,
		"2m", "15m", "",
		[]expected{
			{`{node="n1"}`, "The collector of n1 sends nothing"},
			{`{node="n3"}`, "The collector of n3 sends nothing"},
		},
	},
	{
		"CollectorLate", `
node_time_seconds{node="n1"} -90+60x20 1260+60x20
node_time_seconds{node="n2"} 0+60x60
node_time_seconds{node="gone"} 0+60x10 _x50`,
		"4m", "16m", "24m",
		one(`{node="n1"}`, "Lubberline on n1 gets samples that are 1m 30s old"),
	},
	{
		"CollectorMissesSamples", `
lubberline_sampler_ticks_total{node="n1"} 0+54x40
lubberline_sampler_ticks_missed_total{node="n1"} 0+6x40
lubberline_sampler_ticks_total{node="n2"} 0+60x40
lubberline_sampler_ticks_missed_total{node="n2"} 0x40`,
		"15m", "16m", "",
		one(`{node="n1"}`, "Lubberline on n1 leaves out 10% of the samples"),
	},
	{
		"ShipperBacklog", `
lubberline_spool_oldest_entry_age_seconds{spool="logs",node="n1"} 0+60x20 0x20
lubberline_spool_oldest_entry_age_seconds{spool="metrics",node="n1"} 1x40`,
		"10m", "11m", "22m",
		one(`{node="n1",spool="logs"}`, "Lubberline on n1 has entries waiting for 11m 0s in the spool logs"),
	},
	{
		"ShipperDropped", `
lubberline_spool_shed_entries_total{spool="logs",node="n1"} 0x9 30x40
lubberline_spool_quarantined_entries_total{spool="logs",node="n1"} 0x50
lubberline_spool_shed_entries_total{spool="metrics",node="n1"} 0x50
lubberline_spool_quarantined_entries_total{spool="metrics",node="n1"} 0x9 15x40`,
		"9m", "15m", "30m",
		[]expected{
			{`{node="n1",spool="logs"}`, "Lubberline on n1 has lost 30 entries of the spool logs in 15 minutes"},
			{`{node="n1",spool="metrics"}`, "Lubberline on n1 has lost 15 entries of the spool metrics in 15 minutes"},
		},
	},
	{
		"SamplesDropped", `
lubberline_remotewrite_requests_dropped_total{node="n1"} 0x9 30x40
lubberline_remotewrite_requests_dead_lettered_total{node="n1"} 0x50
lubberline_remotewrite_requests_dropped_total{node="n2"} 0x50
lubberline_remotewrite_requests_dead_lettered_total{node="n2"} 0x50`,
		"9m", "15m", "30m",
		one(`{node="n1"}`, "Lubberline on n1 has lost 30 requests full of samples in 15 minutes"),
	},
	{
		"LogLinesLost", `
lubberline_logs_shed_bytes_total{node="n1"} 0x9 1048576x40
lubberline_logs_shed_bytes_total{node="n2"} 0x50`,
		"9m", "15m", "30m",
		one(`{node="n1"}`, "Lubberline on n1 has given up 1MiB of log files unread in 15 minutes"),
	},
	{
		"LogReaderLag", `
lubberline_logs_lag_bytes{node="n1"} 536870912x20 0x30
lubberline_logs_lag_bytes{node="n2"} 1024x50`,
		"9m", "10m", "22m",
		one(`{node="n1"}`, "Lubberline on n1 has 512MiB of log files still to read"),
	},
	{
		"StoreWritesFail", `
lubberline_metricstore_commit_failures_total{node="n1"} 0+5x20 100x30
lubberline_logstore_append_errors_total{node="n1"} 0x50
lubberline_metricstore_commit_failures_total{node="n2"} 0x50
lubberline_logstore_append_errors_total{node="n2"} 0x50`,
		"5m", "15m", "30m",
		one(`{node="n1"}`, "Lubberline on n1 cannot store samples or log lines"),
	},
	{
		"StoreWritesFail", `
lubberline_metricstore_commit_failures_total{node="n1"} 0x9 _x20 50x30
up{job="collector",node="n1"} 1x60`,
		"18m", "19m", "31m", // the range, and then the wait
		one(`{}`, "Lubberline cannot store samples or log lines"),
	},
	{
		"StoreDamaged", `
lubberline_metricstore_quarantined_total{node="n1"} 0x50
lubberline_logstore_quarantined_files_total{node="n1"} 2x50
lubberline_metricstore_quarantined_total{node="n2"} 0x50
lubberline_logstore_quarantined_files_total{node="n2"} 0x50`,
		"", "0m", "",
		one(`{node="n1"}`, "Lubberline on n1 has set aside 2 damaged files of its stores"),
	},
	{
		"FiguresLate", `
lubberline_rollup_lag_seconds{node="n1"} 45x20 1x30
lubberline_rollup_lag_seconds{node="n2"} 1x50`,
		"9m", "10m", "22m",
		one(`{node="n1"}`, "Lubberline on n1 makes its figures 45s after their time"),
	},
	{
		"SinkBacklog", `
lubberline_sink_oldest_age_seconds{sink="influxdb",node="n1"} 900x20 1x30
lubberline_sink_oldest_age_seconds{sink="elasticsearch",node="n1"} 1x50`,
		"4m", "5m", "22m",
		one(`{node="n1",sink="influxdb"}`, "Lubberline on n1 has entries waiting for 15m 0s for the sink influxdb"),
	},
	{
		"SinkRefused", `
lubberline_sink_dead_lettered_total{sink="influxdb",node="n1"} 0x9 30x40
lubberline_sink_dead_lettered_total{sink="elasticsearch",node="n1"} 0x50`,
		"9m", "15m", "30m",
		one(`{node="n1",sink="influxdb"}`, "Lubberline on n1 has set aside 30 points or documents that the sink influxdb refuses"),
	},
	{
		"SinkDropped", `
lubberline_rollup_sink_dropped_total{sink="influxdb",node="n1"} 0x9 30x40
lubberline_rollup_sink_dropped_total{sink="elasticsearch",node="n1"} 0x50`,
		"9m", "15m", "30m",
		one(`{node="n1",sink="influxdb"}`, "Lubberline on n1 has dropped 30 batches for the sink influxdb in 15 minutes"),
	},
	{
		"SinkDropped", `
lubberline_rollup_sink_dropped_total{sink="influxdb",node="n1"} 0x50
lubberline_rollup_sink_failures_total{sink="influxdb",node="n1"} 0x9 20x40`,
		"9m", "15m", "30m",
		one(`{node="n1",sink="influxdb"}`, "Lubberline on n1 has dropped 20 batches for the sink influxdb in 15 minutes"),
	},
}

var platformCases = []unitCase{
	{
		"DeadMansSwitch", `up{job="collector",node="n1"} 1x10`,
		"", "0m", "", one(`{}`, "Lubberline evaluates alert rules"),
	},
	{
		"AlertRuleFails", `
prometheus_rule_evaluation_failures_total{rule_group="shop",node="n1"} 0+10x20 200x30
prometheus_rule_evaluation_failures_total{rule_group="fine",node="n1"} 0x50`,
		"5m", "6m", "32m",
		one(`{node="n1",rule_group="shop"}`, "Lubberline on n1 cannot evaluate rules of shop"),
	},
	{
		"NotificationsFail", `
alertmanager_notifications_failed_total{integration="email",reason="other",node="n1"} 0+1x20 20x30
alertmanager_notifications_failed_total{integration="slack",reason="other",node="n1"} 0x50`,
		"5m", "20m", "40m",
		one(`{node="n1",integration="email"}`, "Lubberline on n1 could not deliver 15 notifications by email in 15 minutes"),
	},
	{
		"StateStoreAlmostFull", `
lubberline_store_in_use_bytes{node="n1"} 90x20 10x30
lubberline_store_quota_bytes{node="n1"} 100x50`,
		"9m", "10m", "22m",
		one(`{node="n1"}`, "Lubberline on n1 has 90% of the cluster's store in use"),
	},
	{
		"ContainerRuntimeRestarts", `
lubberline_runtime_starts_total{node="n1"} 1x9 3x100
lubberline_runtime_starts_total{node="n2"} 1x110`,
		"9m", "1h", "1h20m",
		one(`{node="n1"}`, "Lubberline on n1 had to start containerd 2 times in an hour"),
	},
	{
		"ControllerPanics", `
lubberline_reconcile_panics_total{controller="deployment",node="n1"} 0x9 30x40
lubberline_reconcile_panics_total{controller="service",node="n1"} 0x50`,
		"9m", "15m", "30m",
		one(`{node="n1",controller="deployment"}`, "Lubberline on n1 had 30 panics in its controllers in 15 minutes"),
	},
	{
		"PodNetworkBroken", `
lubberline_podnet_peers{way="none",node="n1"} 2x20 0x30
lubberline_podnet_peers{way="direct",node="n1"} 1x50`,
		"4m", "5m", "22m",
		one(`{node="n1"}`, "Lubberline on n1 knows no way to the pods of 2 other nodes"),
	},
	{
		"ServiceRulesFail", `
lubberline_proxy_transactions_total{result="error",node="n1"} 0+6x20 120x30
lubberline_proxy_transactions_total{result="ok",node="n1"} 0+6x50
lubberline_proxy_transactions_total{result="error",node="n2"} 0x50`,
		"5m", "15m", "32m",
		one(`{node="n1"}`, "Lubberline on n1 could not write the kernel's rules of services 60 times in 10 minutes"),
	},
	{
		"CertificateExpiring", `
lubberline_certificate_expiry_timestamp_seconds{certificate="apiserver",node="n1"} 435600x100
lubberline_certificate_expiry_timestamp_seconds{certificate="front",node="n1"} 43200x100
lubberline_certificate_expiry_timestamp_seconds{certificate="ca",node="n1"} 43200000x100`,
		"59m", "1h", "",
		one(`{node="n1",certificate="apiserver"}`, "Lubberline on n1 has a certificate (apiserver) that ends in 5d 0h 0m 0s"),
	},
	{
		"CertificateExpired", `
lubberline_certificate_expiry_timestamp_seconds{certificate="front",node="n1"} 7500x100
lubberline_certificate_expiry_timestamp_seconds{certificate="apiserver",node="n1"} 435600x100`,
		"4m", "5m", "",
		one(`{node="n1",certificate="front"}`, "Lubberline on n1 has a certificate (front) that ends in 2h 0m 0s"),
	},
}
