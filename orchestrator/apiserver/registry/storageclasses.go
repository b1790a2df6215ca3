package registry

import (
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

func storageClasses() Definition[*storagev1.StorageClass] {
	return Definition[*storagev1.StorageClass]{
		Version: storagev1.SchemeGroupVersion, Resource: "storageclasses", Singular: "storageclass",
		ShortNames: []string{"sc"},
		New:        func() *storagev1.StorageClass { return &storagev1.StorageClass{} },
		NewList:    func() runtime.Object { return &storagev1.StorageClassList{} },
		Main: Strategy[*storagev1.StorageClass]{
			Validate:       checked(validation.ValidateStorageClassCreate),
			ValidateUpdate: checkedUpdate(validation.ValidateStorageClassUpdate),
		},
		Customize: returnDeleted,
	}
}
