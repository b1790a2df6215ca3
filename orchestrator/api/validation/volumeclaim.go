package validation

import (
	"reflect"
	"slices"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateTemplateMeta checks that the metadata of a template in a pod's spec
// has only labels and annotations.
func validateTemplateMeta(meta *metav1.ObjectMeta, path *field.Path) (errs field.ErrorList) {
	rest := *meta
	rest.Labels, rest.Annotations = nil, nil
	v := reflect.ValueOf(rest)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			name := v.Type().Field(i).Name
			errs = append(errs, field.Forbidden(path.Child(lowerFirst(name)), "cannot be set"))
		}
	}
	return errs
}

// lowerFirst is the name that a Go field has in JSON, but for acronyms, which
// come out as Kubernetes has them in these errors.
func lowerFirst(name string) string { return string(name[0]|0x20) + name[1:] }

// validateClaimSpec checks what a claim asks of a volume.
func validateClaimSpec(spec *v1.PersistentVolumeClaimSpec, path *field.Path) field.ErrorList {
	errs := slices.Concat(
		validateAccessModes(spec.AccessModes, path.Child("accessModes")),
		validateClaimStorage(spec, path.Child("resources").Key(string(v1.ResourceStorage))))
	if spec.Selector != nil {
		errs = append(errs, validateLabelSelector(spec.Selector, path.Child("selector"))...)
	}
	if class := spec.StorageClassName; class != nil && *class != "" {
		errs = append(errs, validateName(*class, apivalidation.NameIsDNSSubdomain, path.Child("storageClassName"))...)
	}
	if spec.VolumeMode != nil {
		errs = append(errs, oneOf(path.Child("volumeMode"), *spec.VolumeMode, v1.PersistentVolumeBlock, v1.PersistentVolumeFilesystem)...)
	}
	errs = append(errs, validateDataSources(spec, path)...)
	if class := spec.VolumeAttributesClassName; class != nil && *class != "" {
		errs = append(errs, validateName(*class, apivalidation.NameIsDNSSubdomain, path.Child("volumeAttributesClassName"))...)
	}
	return errs
}

func validateAccessModes(modes []v1.PersistentVolumeAccessMode, path *field.Path) (errs field.ErrorList) {
	if len(modes) == 0 {
		return field.ErrorList{field.Required(path, "at least 1 access mode is required")}
	}
	once, other := false, false
	for _, mode := range modes {
		problems := oneOf(path, mode, v1.ReadWriteOnce, v1.ReadOnlyMany, v1.ReadWriteMany, v1.ReadWriteOncePod)
		errs = append(errs, problems...)
		once = once || mode == v1.ReadWriteOncePod
		other = other || mode != v1.ReadWriteOncePod && len(problems) == 0
	}
	if once && other {
		errs = append(errs, field.Forbidden(path, "may not use ReadWriteOncePod with other access modes"))
	}
	return errs
}

func validateClaimStorage(spec *v1.PersistentVolumeClaimSpec, path *field.Path) field.ErrorList {
	storage, ok := spec.Resources.Requests[v1.ResourceStorage]
	if !ok {
		return field.ErrorList{field.Required(path, "")}
	}
	return validatePositiveQuantity(storage, path)
}

// validateDataSources checks what a volume is to be filled with: the older
// field says nothing but what the newer one says.
func validateDataSources(spec *v1.PersistentVolumeClaimSpec, path *field.Path) (errs field.ErrorList) {
	older, newer := spec.DataSource, spec.DataSourceRef
	if older != nil {
		errs = append(errs, validateDataSource(older.Name, older.Kind, older.APIGroup, path.Child("dataSource"))...)
	}
	if newer == nil {
		return errs
	}
	errs = append(errs, validateDataSource(newer.Name, newer.Kind, newer.APIGroup, path.Child("dataSourceRef"))...)
	crosses := newer.Namespace != nil && *newer.Namespace != ""
	if crosses {
		errs = append(errs, validateName(*newer.Namespace, apivalidation.ValidateNamespaceName, path.Child("dataSourceRef", "namespace"))...)
	}
	switch {
	case older == nil:
	case crosses:
		errs = append(errs, field.Invalid(path, path.Child("dataSource"), "may not be specified when dataSourceRef.namespace is specified"))
	case !reflect.DeepEqual(older.APIGroup, newer.APIGroup) || older.Kind != newer.Kind || older.Name != newer.Name:
		errs = append(errs, field.Invalid(path, path.Child("dataSource"), "must match dataSourceRef"))
	}
	return errs
}

func validateDataSource(name, kind string, group *string, path *field.Path) field.ErrorList {
	errs := append(required(path.Child("name"), name, ""), required(path.Child("kind"), kind, "")...)
	var in string
	if group != nil {
		in = *group
	}
	if in == "" && kind != "PersistentVolumeClaim" {
		errs = append(errs, field.Invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
	}
	if in != "" {
		errs = append(errs, invalid(path.Child("apiGroup"), in, validation.IsDNS1123Subdomain(in))...)
	}
	return errs
}
