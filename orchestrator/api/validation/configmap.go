package validation

import (
	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// maxDataSize is the most that the values of a config map or a secret may
// have together, in bytes.
const maxDataSize = v1.MaxSecretSize

// msgImmutableSet forbids changes of what its user has made immutable.
const msgImmutableSet = "field is immutable when `immutable` is set"

// ValidateConfigMapCreate checks a new config map.
func ValidateConfigMapCreate(c *v1.ConfigMap) field.ErrorList {
	errs := validateMeta(&c.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	size := 0
	for _, key := range sortedKeys(c.Data) {
		path := field.NewPath("data").Key(key)
		errs = append(errs, invalid(path, key, validation.IsConfigMapKey(key))...)
		if _, twice := c.BinaryData[key]; twice {
			errs = append(errs, field.Invalid(path, key, "duplicate of key present in binaryData"))
		}
		size += len(c.Data[key])
	}
	for _, key := range sortedKeys(c.BinaryData) {
		errs = append(errs, invalid(field.NewPath("binaryData").Key(key), key, validation.IsConfigMapKey(key))...)
		size += len(c.BinaryData[key])
	}
	if size > maxDataSize {
		// The empty path stands for the whole object.
		errs = append(errs, field.TooLong(field.NewPath(""), "", maxDataSize))
	}
	return errs
}

// ValidateConfigMapUpdate checks a changed config map.
func ValidateConfigMapUpdate(c, old *v1.ConfigMap) field.ErrorList {
	errs := validateMetaUpdate(&c.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	if ptr.Deref(old.Immutable, false) {
		errs = append(errs, validateStaysImmutable(c.Immutable)...)
		errs = append(errs, validateUnchanged(c.Data, old.Data, "data")...)
		errs = append(errs, validateUnchanged(c.BinaryData, old.BinaryData, "binaryData")...)
	}
	return append(errs, ValidateConfigMapCreate(c)...)
}

func validateStaysImmutable(immutable *bool) field.ErrorList {
	if ptr.Deref(immutable, false) {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("immutable"), msgImmutableSet)}
}

func validateUnchanged(data, old any, name string) field.ErrorList {
	if apiequality.Semantic.DeepEqual(data, old) {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath(name), msgImmutableSet)}
}
