package rules

import "time"

func volumeRules() []Rule {
	const claim = "max by (namespace, persistentvolumeclaim) "
	return []Rule{
		{
			Name: "PersistentVolumeFailed", Of: aVolume, Says: "could not be reclaimed",
			Why:  "Its data could not be deleted after its claim was gone; nobody can have it.",
			Expr: `max by (persistentvolume) (kube_persistentvolume_status_phase{phase="Failed"})`,
			When: atLeast(1), For: 5 * time.Minute, Severity: Warning,
		},
		{
			Name: "ClaimPending", Of: aClaim, Says: "has no volume",
			Why: "Pods that mount it do not start.",
			Expr: claim + `(kube_persistentvolumeclaim_status_phase{phase="Pending"} == 1` +
				` and on (namespace, persistentvolumeclaim) kube_pod_spec_volumes_persistentvolumeclaims_info)`,
			For: 10 * time.Minute, Severity: Warning,
		},
		{
			Name: "ClaimLost", Of: aClaim, Says: "has lost its volume",
			Why:  "The volume was deleted while the claim was bound to it: its data is gone or out of reach.",
			Expr: claim + `(kube_persistentvolumeclaim_status_phase{phase="Lost"})`,
			When: atLeast(1), For: time.Minute, Severity: Critical,
		},
	}
}
