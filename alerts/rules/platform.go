package rules

import (
	"time"

	"github.com/lubberline/lubberline/catalog"
)

// platformRules watch the orchestrator and the alerts themselves.
func platformRules() []Rule {
	return []Rule{
		{
			Name: "DeadMansSwitch", Of: itself, Says: "evaluates alert rules",
			Why:  "This alert always fires. Send it to something that calls you when it stops coming.",
			Expr: `vector(1)`, Severity: None, Heapster: &HeapsterRule{},
		},
		{
			Name: "AlertRuleFails", Of: itself, Says: "cannot evaluate rules of {{ $labels.rule_group }}",
			Why:  "The rules of that group may not fire when they should.",
			Expr: grew("node, rule_group", "10m", "prometheus_rule_evaluation_failures_total"),
			When: above(0), For: 5 * time.Minute, Severity: Warning,
		},
		{
			Name: "NotificationsFail", Of: itself, Says: "could not deliver {value} notifications by {{ $labels.integration }} in 15 minutes",
			Why:  "People do not get to know of alerts. Another receiver may still work.",
			Expr: grew("node, integration", "15m", "alertmanager_notifications_failed_total"),
			When: above(0), For: 5 * time.Minute, Severity: Critical,
		},
		{
			Name: "StateStoreAlmostFull", Of: itself, Says: "has {value} of the cluster's store in use", Unit: catalog.Ratio,
			Why:  "When it is full, the API takes no change at all.",
			Expr: `max by (node) (lubberline_store_in_use_bytes / (lubberline_store_quota_bytes > 0))`,
			When: above(0.8), For: 10 * time.Minute, Severity: Warning,
		},
		{
			Name: "ContainerRuntimeRestarts", Of: itself, Says: "had to start containerd {value} times in an hour",
			Why:  "Containers go on, but pods cannot be started or ended in between.",
			Expr: `max by (node) (increase(lubberline_runtime_starts_total[1h]))`,
			When: atLeast(1), Severity: Warning,
		},
		{
			Name: "ControllerPanics", Of: itself, Says: "had {value} panics in its controllers in 15 minutes",
			Why:  "One object makes its controller fail; it is tried again, and others go on.",
			Expr: grew("node, controller", "15m", "lubberline_reconcile_panics_total"),
			When: above(0), Severity: Warning,
		},
		{
			Name: "PodNetworkBroken", Of: itself, Says: "knows no way to the pods of {value} other nodes",
			Why:  "Pods there and here do not reach each other.",
			Expr: `max by (node) (lubberline_podnet_peers{way="none"})`,
			When: above(0), For: 5 * time.Minute, Severity: Critical,
		},
		{
			Name: "ServiceRulesFail", Of: itself, Says: "could not write the kernel's rules of services {value} times in 10 minutes",
			Why:  "Service addresses lead where they led before: to pods that may be gone.",
			Expr: grew("node", "10m", `lubberline_proxy_transactions_total{result="error"}`),
			When: above(0), For: 5 * time.Minute, Severity: Critical,
		},
		{
			Name: "CertificateExpiring", Of: itself, Says: "has a certificate ({{ $labels.certificate }}) that ends in {value}", Unit: catalog.Seconds,
			Why:  "Certificates are renewed at two thirds of their life; this one was not.",
			Expr: `min by (node, certificate) (lubberline_certificate_expiry_timestamp_seconds - time() >= 1d)`,
			When: below(7 * 24 * 3600), For: time.Hour, Severity: Warning,
		},
		{
			Name: "CertificateExpired", Of: itself, Says: "has a certificate ({{ $labels.certificate }}) that ends in {value}", Unit: catalog.Seconds,
			Why:  "After that the node and the API do not trust each other.",
			Expr: `min by (node, certificate) (lubberline_certificate_expiry_timestamp_seconds - time())`,
			When: below(24 * 3600), For: 5 * time.Minute, Severity: Critical,
		},
	}
}
