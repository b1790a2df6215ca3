package validation

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// projectedCheck is the check of one projected volume: its sources must not
// give the same file twice.
type projectedCheck struct {
	files map[string]bool
	path  *field.Path
}

func validateProjected(s *v1.ProjectedVolumeSource, path *field.Path) field.ErrorList {
	errs := validateFileMode(s.DefaultMode, path.Child("defaultMode"))
	c := projectedCheck{files: map[string]bool{}, path: path}
	for i := range s.Sources {
		errs = append(errs, c.validate(&s.Sources[i], path.Child("sources").Index(i))...)
	}
	return errs
}

func (c *projectedCheck) validate(s *v1.VolumeProjection, path *field.Path) (errs field.ErrorList) {
	given := 0
	if s.Secret != nil {
		given++
		errs = append(errs, c.validateKeys(s.Secret.Name, s.Secret.Items, path.Child("secret"))...)
	}
	if s.ConfigMap != nil {
		given++
		errs = append(errs, c.validateKeys(s.ConfigMap.Name, s.ConfigMap.Items, path.Child("configMap"))...)
	}
	if s.DownwardAPI != nil {
		given++
		for i := range s.DownwardAPI.Items {
			errs = append(errs, validateDownwardFile(&s.DownwardAPI.Items[i], path.Child("downwardAPI"))...)
			errs = append(errs, c.take(s.DownwardAPI.Items[i].Path, s.DownwardAPI.Items[i].Path)...)
		}
	}
	if s.ServiceAccountToken != nil {
		given++
		errs = append(errs, c.validateToken(s.ServiceAccountToken, path.Child("serviceAccountToken"))...)
	}
	if s.ClusterTrustBundle != nil {
		given++
		errs = append(errs, c.validateTrustBundle(s.ClusterTrustBundle, path.Child("clusterTrustBundle"))...)
	}
	if s.PodCertificate != nil {
		given++
		errs = append(errs, c.validateCertificate(s.PodCertificate, path.Child("podCertificate"))...)
	}
	if given > 1 {
		errs = append(errs, field.Forbidden(path, "may not specify more than 1 volume type per source"))
	}
	return errs
}

// take notes a file, which must be new; what stands for it in the error.
func (c *projectedCheck) take(file, what string) field.ErrorList {
	if file == "" {
		return nil
	}
	if c.files[file] {
		return field.ErrorList{field.Invalid(c.path, what, "conflicting duplicate paths")}
	}
	c.files[file] = true
	return nil
}

func (c *projectedCheck) validateKeys(name string, items []v1.KeyToPath, path *field.Path) field.ErrorList {
	errs := required(path.Child("name"), name, "")
	for i := range items {
		errs = append(errs, validateItem(&items[i], path.Child("items").Index(i))...)
		errs = append(errs, c.take(items[i].Path, name)...)
	}
	return errs
}

func (c *projectedCheck) validateToken(token *v1.ServiceAccountTokenProjection, path *field.Path) (errs field.ErrorList) {
	var expiry int64
	if token.ExpirationSeconds != nil {
		expiry = *token.ExpirationSeconds
	}
	if expiry < 10*60 {
		errs = append(errs, field.Invalid(path.Child("expirationSeconds"), expiry, "may not specify a duration less than 10 minutes"))
	}
	if expiry > 1<<32 {
		errs = append(errs, field.Invalid(path.Child("expirationSeconds"), expiry, "may not specify a duration larger than 2^32 seconds"))
	}
	if token.Path == "" {
		return append(errs, field.Required(c.path.Child("path"), ""))
	}
	return append(errs, validateVolumeFile(token.Path, c.path.Child("path"))...)
}

func (c *projectedCheck) validateTrustBundle(b *v1.ClusterTrustBundleProjection, path *field.Path) (errs field.ErrorList) {
	switch {
	case b.Name != nil && b.SignerName != nil:
		errs = append(errs, field.Invalid(path, b, "only one of name and signerName may be used"))
	case b.Name != nil:
		errs = append(errs, required(path.Child("name"), *b.Name, "must be a valid object name")...)
		for _, message := range bundleNameProblems(*b.Name) {
			errs = append(errs, field.Invalid(path.Child("name"), *b.Name, "not a valid clustertrustbundlename: "+message))
		}
		if b.LabelSelector != nil {
			errs = append(errs, field.Invalid(path.Child("labelSelector"), b.LabelSelector, "labelSelector must be unset if name is specified"))
		}
	case b.SignerName != nil:
		errs = append(errs, required(path.Child("signerName"), *b.SignerName, "must be a valid signer name")...)
		errs = append(errs, validateSignerName(*b.SignerName, path.Child("signerName"))...)
		errs = append(errs, metavalidation.ValidateLabelSelector(b.LabelSelector, metavalidation.LabelSelectorValidationOptions{}, path.Child("labelSelector"))...)
	default:
		errs = append(errs, field.Required(path, "either name or signerName must be specified"))
	}
	errs = append(errs, required(path.Child("path"), b.Path, "")...)
	errs = append(errs, validateVolumeFile(b.Path, path.Child("path"))...)
	return append(errs, c.take(b.Path, b.Path)...)
}

// bundleNameProblems tells what is wrong with the name of a trust bundle. That
// of a signer begins with the signer's name, colons for slashes.
func bundleNameProblems(name string) []string {
	if i := strings.LastIndex(name, ":"); i >= 0 {
		name = name[i+1:]
	}
	return apivalidation.NameIsDNSSubdomain(name, false)
}

// validateSignerName checks the name of a signer of certificates, a domain and
// a path of one element.
func validateSignerName(name string, path *field.Path) (errs field.ErrorList) {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	parts := strings.Split(name, "/")
	if len(parts) != 2 {
		return field.ErrorList{field.Invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")}
	}
	const longest = validation.DNS1123SubdomainMaxLength
	if len(parts[0]) > longest {
		errs = append(errs, field.TooLong(path, "", longest))
	}
	domain := strings.Split(parts[0], ".")
	errs = append(errs, validateDotted(parts[0], domain, validation.IsDNS1123Label, path)...)
	if len(domain) < 2 {
		errs = append(errs, field.Invalid(path, parts[0], "should be a domain with at least two segments separated by dots"))
	}
	errs = append(errs, validateDotted(parts[1], strings.Split(parts[1], "."), validation.IsDNS1123Subdomain, path)...)
	if most := longest + longest + validation.DNS1123LabelMaxLength + 2; len(name) > most {
		errs = append(errs, field.TooLong(path, "", most))
	}
	return errs
}

// validateDotted checks the parts of a value up to the first that is wrong.
func validateDotted(value string, parts []string, check func(string) []string, path *field.Path) (errs field.ErrorList) {
	for _, part := range parts {
		for _, message := range check(part) {
			errs = append(errs, field.Invalid(path, value, fmt.Sprintf("validating label %q: %s", part, message)))
		}
		if len(errs) > 0 {
			return errs
		}
	}
	return nil
}

func (c *projectedCheck) validateCertificate(p *v1.PodCertificateProjection, path *field.Path) field.ErrorList {
	keyTypes := []string{"RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"}
	errs := validateSignerName(p.SignerName, path.Child("signerName"))
	if !slices.Contains(keyTypes, p.KeyType) {
		errs = append(errs, field.NotSupported(path.Child("keyType"), p.KeyType, keyTypes))
	}
	errs = append(errs, validateCertificateExpiry(p, path.Child("maxExpirationSeconds"))...)
	if p.CredentialBundlePath == "" && p.KeyPath == "" && p.CertificateChainPath == "" {
		return append(errs, field.Required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"))
	}
	return slices.Concat(errs,
		c.takeFile(p.CredentialBundlePath, path.Child("credentialBundlePath")),
		c.takeFile(p.KeyPath, path.Child("keyPath")),
		c.takeFile(p.CertificateChainPath, path.Child("certificateChainPath")))
}

func (c *projectedCheck) takeFile(file string, path *field.Path) field.ErrorList {
	return slices.Concat(validateVolumeFile(file, path), c.take(file, file))
}

// validateCertificateExpiry checks that a certificate is asked for an hour to
// 91 days, or at most a day when Kubernetes signs it.
func validateCertificateExpiry(p *v1.PodCertificateProjection, path *field.Path) (errs field.ErrorList) {
	if p.MaxExpirationSeconds == nil {
		return nil
	}
	const hour, day = 3600, 24 * 3600
	most := int32(91 * day)
	if host, _, _ := strings.Cut(p.SignerName, "/"); host == "kubernetes.io" || strings.HasSuffix(host, ".kubernetes.io") {
		most = day
	}
	if *p.MaxExpirationSeconds < hour {
		errs = append(errs, field.Invalid(path, *p.MaxExpirationSeconds, "if provided, maxExpirationSeconds must be >= 3600"))
	}
	if *p.MaxExpirationSeconds > most {
		errs = append(errs, field.Invalid(path, *p.MaxExpirationSeconds, fmt.Sprintf("if provided, maxExpirationSeconds must be <= %d", most)))
	}
	return errs
}
