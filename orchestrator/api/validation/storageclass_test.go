package validation

import "testing"

func classOf(more string) string {
	return `{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: a}, ` + more + `}`
}

func TestStorageClassCreate(t *testing.T) {
	testCreate(t, ValidateStorageClassCreate, []creation{
		{"plain", classOf(`provisioner: example.com/Disk, volumeBindingMode: Immediate, reclaimPolicy: Retain, parameters: {a: b}, allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [a, b]}]}]`), nil},
		{"nothing", classOf(``), []string{"provisioner: Required value", "volumeBindingMode: Required value"}},
		{"words", classOf(`provisioner: /, volumeBindingMode: Late, reclaimPolicy: Recycle, parameters: {"": b}`), []string{
			`provisioner: Invalid value: "/": prefix part must be non-empty`,
			`provisioner: Invalid value: "/": name part must be non-empty`,
			`provisioner: Invalid value: "/": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
			`parameters: Invalid value: "": field can not be empty.`,
			`reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"`,
			`volumeBindingMode: Unsupported value: "Late": supported values: "Immediate", "WaitForFirstConsumer"`,
		}},
		{"topologies", classOf(`provisioner: a, volumeBindingMode: Immediate, allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [a, a]}, {key: zone}]}]`), []string{
			`allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"`,
			"allowedTopologies[0].matchLabelExpressions[1].values: Required value",
			`allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone"`,
		}},
	})
}

func TestStorageClassUpdate(t *testing.T) {
	old := classOf(`provisioner: a, volumeBindingMode: Immediate, reclaimPolicy: Delete, parameters: {a: b}`)
	testUpdate(t, ValidateStorageClassUpdate, []change{
		{"expansion", old, classOf(`provisioner: a, volumeBindingMode: Immediate, reclaimPolicy: Delete, parameters: {a: b}, allowVolumeExpansion: true`), nil},
		{"all", old, classOf(`provisioner: b, volumeBindingMode: WaitForFirstConsumer, reclaimPolicy: Retain`), []string{
			"parameters: Forbidden: updates to parameters are forbidden.",
			"provisioner: Forbidden: updates to provisioner are forbidden.",
			"reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
			`volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable`,
		}},
	})
}
