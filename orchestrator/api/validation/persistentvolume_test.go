package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
)

func volumeOf(spec string) string {
	return `{apiVersion: v1, kind: PersistentVolume, metadata: {name: a}, spec: ` + spec + `}`
}

func TestPersistentVolumeCreate(t *testing.T) {
	testCreate(t, ValidatePersistentVolumeCreate, []creation{
		{"path", volumeOf(`{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /a}, storageClassName: manual, volumeMode: Filesystem}`), nil},
		{"local", volumeOf(`{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], local: {path: /a}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}`), nil},
		{"nothing", volumeOf(`{}`), []string{
			"spec.accessModes: Required value",
			"spec.capacity: Required value",
			`spec.capacity: Unsupported value: null: supported values: "storage"`,
			"spec: Required value: must specify a volume type",
		}},
		{"words", volumeOf(`{capacity: {storage: "0"}, accessModes: [Often], persistentVolumeReclaimPolicy: Sell, volumeMode: Stream, storageClassName: A, hostPath: {path: /a}}`), []string{
			`spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"`,
			`spec.capacity[storage]: Invalid value: "0": must be greater than zero`,
			`spec.persistentVolumeReclaimPolicy: Unsupported value: "Sell": supported values: "Delete", "Recycle", "Retain"`,
			`spec.storageClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
			`spec.volumeMode: Unsupported value: "Stream": supported values: "Block", "Filesystem"`,
		}},
		{"two sources", volumeOf(`{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /a}, local: {path: ../b}}`), []string{
			"spec.local: Forbidden: may not specify more than 1 volume type",
			`spec.local.path: Invalid value: "../b": must not contain '..'`,
			"spec.nodeAffinity: Required value: Local volume requires node affinity",
		}},
		{"driver", volumeOf(`{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], csi: {driver: example.com, controllerPublishSecretRef: {name: a}}}`), []string{
			"spec.csi.volumeHandle: Required value",
			"spec.csi.controllerPublishSecretRef.namespace: Required value",
		}},
		{"recycled root", volumeOf(`{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /a/..}, persistentVolumeReclaimPolicy: Recycle}`), []string{
			`spec.hostPath.path: Invalid value: "/a/..": must not contain '..'`,
			"spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'",
		}},
	})
}

func TestPersistentVolumeUpdate(t *testing.T) {
	old := parse[*v1.PersistentVolume](t, volumeOf(`{capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /a}}`))
	changed := parse[*v1.PersistentVolume](t, volumeOf(`{capacity: {storage: 2Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /b}, persistentVolumeReclaimPolicy: Delete}`))
	stored(old, changed)
	errs := ValidatePersistentVolumeUpdate(changed, old)
	require.Len(t, errs, 1)
	require.Contains(t, errs[0].Error(), "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n")
	require.Empty(t, ValidatePersistentVolumeStatusUpdate(changed, old))
}

func claimOf(more string) string {
	return `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, namespace: default}, ` + more + `}`
}

func TestPersistentVolumeClaimUpdate(t *testing.T) {
	asked := func(size, more string) string {
		return claimOf(`spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: ` + size + `}}` + more)
	}
	bound := `, volumeName: v}, status: {phase: Bound, capacity: {storage: 1Gi}}`
	f := func(name, oldText, text string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			old, c := parse[*v1.PersistentVolumeClaim](t, oldText), parse[*v1.PersistentVolumeClaim](t, text)
			stored(old, c)
			errs := ValidatePersistentVolumeClaimUpdate(c, old)
			require.Len(t, errs, len(want), "%v", errs)
			for i := range want {
				require.Contains(t, errs[i].Error(), want[i])
			}
		})
	}
	const fixed = "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"
	f("volume once", asked("1Gi", `}`), asked("1Gi", `, volumeName: v}`))
	f("another volume", asked("1Gi", `, volumeName: v}`), asked("1Gi", `, volumeName: w}`), fixed)
	f("more when bound", asked("1Gi", bound), asked("2Gi", bound))
	f("more before", asked("1Gi", `}`), asked("2Gi", `}`), fixed)
	f("less", asked("1Gi", bound), asked("500Mi", bound), "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity")
	f("class once", asked("1Gi", `}`), asked("1Gi", `, storageClassName: manual}`))
	f("another class", asked("1Gi", `, storageClassName: a}`), asked("1Gi", `, storageClassName: b}`), fixed)
}

func TestPersistentVolumeClaimStatusUpdate(t *testing.T) {
	spec := `spec: {accessModes: [ReadWriteOnce]}, `
	testUpdate(t, ValidatePersistentVolumeClaimStatusUpdate, []change{
		{"bound", claimOf(spec), claimOf(spec + `status: {phase: Bound, capacity: {storage: 1Gi}}`), nil},
		{"resources", claimOf(spec), claimOf(spec + `status: {allocatedResources: {cpu: "1"}, allocatedResourceStatuses: {storage: Odd}}`), []string{
			`status.allocatedResourceStatuses: Unsupported value: "Odd": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"`,
			`status.allocatedResources: Unsupported value: "cpu": supported values: "storage"`,
		}},
	})
}
