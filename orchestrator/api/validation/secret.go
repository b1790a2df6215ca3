package validation

import (
	"encoding/json"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
)

// ValidateSecretCreate checks a new secret. No value of it is in the errors.
func ValidateSecretCreate(s *v1.Secret) field.ErrorList {
	errs := validateMeta(&s.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	data, size := field.NewPath("data"), 0
	for _, key := range sortedKeys(s.Data) {
		errs = append(errs, invalid(data.Key(key), key, validation.IsConfigMapKey(key))...)
		size += len(s.Data[key])
	}
	if size > maxDataSize {
		errs = append(errs, field.TooLong(data, "", maxDataSize))
	}
	return append(errs, validateSecretType(s, data)...)
}

// ValidateSecretUpdate checks a changed secret; its type stays.
func ValidateSecretUpdate(s, old *v1.Secret) field.ErrorList {
	errs := validateMetaUpdate(&s.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	errs = append(errs, validateImmutable(s.Type, old.Type, field.NewPath("type"))...)
	if ptr.Deref(old.Immutable, false) {
		errs = append(errs, validateStaysImmutable(s.Immutable)...)
		errs = append(errs, validateUnchanged(s.Data, old.Data, "data")...)
	}
	return append(errs, ValidateSecretCreate(s)...)
}

// validateSecretType checks that the keys that a type promises are there.
func validateSecretType(s *v1.Secret, data *field.Path) field.ErrorList {
	has := func(key string) bool { _, ok := s.Data[key]; return ok }
	missing := func(keys ...string) (errs field.ErrorList) {
		for _, key := range keys {
			errs = append(errs, field.Required(data.Key(key), ""))
		}
		return errs
	}
	switch s.Type {
	case v1.SecretTypeServiceAccountToken:
		path := field.NewPath("metadata", "annotations").Key(v1.ServiceAccountNameKey)
		return required(path, s.Annotations[v1.ServiceAccountNameKey], "")
	case v1.SecretTypeDockercfg:
		return validateSecretJSON(s, v1.DockerConfigKey, data)
	case v1.SecretTypeDockerConfigJson:
		return validateSecretJSON(s, v1.DockerConfigJsonKey, data)
	case v1.SecretTypeBasicAuth:
		if !has(v1.BasicAuthUsernameKey) && !has(v1.BasicAuthPasswordKey) {
			return missing(v1.BasicAuthUsernameKey, v1.BasicAuthPasswordKey)
		}
	case v1.SecretTypeSSHAuth:
		if len(s.Data[v1.SSHAuthPrivateKey]) == 0 {
			return missing(v1.SSHAuthPrivateKey)
		}
	case v1.SecretTypeTLS:
		var errs field.ErrorList
		for _, key := range []string{v1.TLSCertKey, v1.TLSPrivateKeyKey} {
			if !has(key) {
				errs = append(errs, missing(key)...)
			}
		}
		return errs
	}
	return nil
}

func validateSecretJSON(s *v1.Secret, key string, data *field.Path) field.ErrorList {
	content, ok := s.Data[key]
	if !ok {
		return field.ErrorList{field.Required(data.Key(key), "")}
	}
	if err := json.Unmarshal(content, &map[string]any{}); err != nil {
		return field.ErrorList{field.Invalid(data.Key(key), "<secret contents redacted>", err.Error())}
	}
	return nil
}
