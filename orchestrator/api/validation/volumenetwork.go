package validation

import (
	"net"
	"path"
	"regexp"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Volumes of this file are provided by others over a network. The node agent
// mounts none of them; they are checked so that manifests for other clusters
// get the errors they would get there.

func validateGitRepo(s *v1.GitRepoVolumeSource, at *field.Path) field.ErrorList {
	return slices.Concat(
		required(at.Child("repository"), s.Repository, ""),
		validateDescendingPath(s.Directory, at.Child("directory")))
}

func validateGCEDisk(s *v1.GCEPersistentDiskVolumeSource, at *field.Path) field.ErrorList {
	return append(required(at.Child("pdName"), s.PDName, ""), validatePartition(s.Partition, at)...)
}

func validateAWSDisk(s *v1.AWSElasticBlockStoreVolumeSource, at *field.Path) field.ErrorList {
	return append(required(at.Child("volumeID"), s.VolumeID, ""), validatePartition(s.Partition, at)...)
}

// validatePartition takes zero for the whole disk; the message does not say so.
func validatePartition(partition int32, at *field.Path) field.ErrorList {
	if partition >= 0 && partition <= 255 {
		return nil
	}
	return field.ErrorList{field.Invalid(at.Child("partition"), partition, validation.InclusiveRangeError(1, 255))}
}

func validateNFS(s *v1.NFSVolumeSource, at *field.Path) field.ErrorList {
	errs := append(required(at.Child("server"), s.Server, ""), required(at.Child("path"), s.Path, "")...)
	if !path.IsAbs(s.Path) {
		errs = append(errs, field.Invalid(at.Child("path"), s.Path, "must be an absolute path"))
	}
	return errs
}

func validateISCSI(s *v1.ISCSIVolumeSource, at *field.Path) field.ErrorList {
	errs := required(at.Child("targetPortal"), s.TargetPortal, "")
	if s.IQN == "" {
		errs = append(errs, field.Required(at.Child("iqn"), ""))
	} else {
		errs = append(errs, validateISCSIName(s.IQN, at.Child("iqn"))...)
	}
	if s.Lun < 0 || s.Lun > 255 {
		errs = append(errs, field.Invalid(at.Child("lun"), s.Lun, validation.InclusiveRangeError(0, 255)))
	}
	if (s.DiscoveryCHAPAuth || s.SessionCHAPAuth) && s.SecretRef == nil {
		errs = append(errs, field.Required(at.Child("secretRef"), ""))
	}
	if s.InitiatorName != nil {
		errs = append(errs, validateISCSIName(*s.InitiatorName, at.Child("initiatorname"))...)
	}
	return errs
}

// The forms of names of initiators and targets, by how they begin.
var (
	iqnName = regexp.MustCompile(`iqn\.\d{4}-\d{2}\.([[:alnum:]-.]+)(:[^,;*&$|\s]+)$`)
	euiName = regexp.MustCompile(`^eui.[[:alnum:]]{16}$`)
	naaName = regexp.MustCompile(`^naa.[[:alnum:]]{32}$`)
)

func validateISCSIName(name string, at *field.Path) field.ErrorList {
	var form *regexp.Regexp
	switch {
	case strings.HasPrefix(name, "iqn"):
		form = iqnName
	case strings.HasPrefix(name, "eui"):
		form = euiName
	case strings.HasPrefix(name, "naa"):
		form = naaName
	default:
		return field.ErrorList{field.Invalid(at, name, "must be valid format starting with iqn, eui, or naa")}
	}
	if form.MatchString(name) {
		return nil
	}
	return field.ErrorList{field.Invalid(at, name, "must be valid format")}
}

func validateGlusterfs(s *v1.GlusterfsVolumeSource, at *field.Path) field.ErrorList {
	return append(required(at.Child("endpoints"), s.EndpointsName, ""), required(at.Child("path"), s.Path, "")...)
}

func validateFlocker(s *v1.FlockerVolumeSource, at *field.Path) (errs field.ErrorList) {
	if s.DatasetName == "" && s.DatasetUUID == "" {
		errs = append(errs, field.Required(at, "one of datasetName and datasetUUID is required"))
	}
	if s.DatasetName != "" && s.DatasetUUID != "" {
		errs = append(errs, field.Invalid(at, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
	}
	if strings.Contains(s.DatasetName, "/") {
		errs = append(errs, field.Invalid(at.Child("datasetName"), s.DatasetName, "must not contain '/'"))
	}
	return errs
}

func validateRBD(s *v1.RBDVolumeSource, at *field.Path) field.ErrorList {
	return append(requiredList(s.CephMonitors, at.Child("monitors")), required(at.Child("image"), s.RBDImage, "")...)
}

func validateCephFS(s *v1.CephFSVolumeSource, at *field.Path) field.ErrorList {
	return requiredList(s.Monitors, at.Child("monitors"))
}

func requiredList(values []string, at *field.Path) field.ErrorList {
	if len(values) > 0 {
		return nil
	}
	return field.ErrorList{field.Required(at, "")}
}

func validateCinder(s *v1.CinderVolumeSource, at *field.Path) field.ErrorList {
	return append(required(at.Child("volumeID"), s.VolumeID, ""), validateSecretRef(s.SecretRef, at)...)
}

func validateSecretRef(ref *v1.LocalObjectReference, at *field.Path) field.ErrorList {
	if ref == nil {
		return nil
	}
	return required(at.Child("secretRef", "name"), ref.Name, "")
}

func validateQuobyte(s *v1.QuobyteVolumeSource, at *field.Path) (errs field.ErrorList) {
	const pairs = "must be a host:port pair or multiple pairs separated by commas"
	switch {
	case s.Registry == "":
		errs = append(errs, field.Required(at.Child("registry"), pairs))
	case len(s.Tenant) >= 65:
		errs = append(errs, field.Required(at.Child("tenant"), "must be a UUID and may not exceed a length of 64 characters"))
	default:
		for pair := range strings.SplitSeq(s.Registry, ",") {
			if _, _, err := net.SplitHostPort(pair); err != nil {
				errs = append(errs, field.Invalid(at.Child("registry"), s.Registry, pairs))
			}
		}
	}
	return append(errs, required(at.Child("volume"), s.Volume, "")...)
}

func validateFC(s *v1.FCVolumeSource, at *field.Path) (errs field.ErrorList) {
	names := at.Child("targetWWNs")
	if len(s.TargetWWNs) == 0 && len(s.WWIDs) == 0 {
		return field.ErrorList{field.Required(names, "must specify either targetWWNs or wwids, but not both")}
	}
	if len(s.TargetWWNs) > 0 && len(s.WWIDs) > 0 {
		errs = append(errs, field.Invalid(names, s.TargetWWNs, "targetWWNs and wwids can not be specified simultaneously"))
	}
	switch {
	case len(s.TargetWWNs) == 0:
	case s.Lun == nil:
		errs = append(errs, field.Required(at.Child("lun"), "lun is required if targetWWNs is specified"))
	case *s.Lun < 0 || *s.Lun > 255:
		errs = append(errs, field.Invalid(at.Child("lun"), s.Lun, validation.InclusiveRangeError(0, 255)))
	}
	return errs
}

func validateFlexVolume(s *v1.FlexVolumeSource, at *field.Path) field.ErrorList {
	errs := required(at.Child("driver"), s.Driver, "")
	for _, key := range sortedKeys(s.Options) {
		domain, _, _ := strings.Cut(key, "/")
		domain = "." + strings.ToLower(domain)
		if strings.HasSuffix(domain, ".kubernetes.io") || strings.HasSuffix(domain, ".k8s.io") {
			errs = append(errs, field.Invalid(at.Child("options").Key(key), key, "kubernetes.io and k8s.io namespaces are reserved"))
		}
	}
	return errs
}

func validateAzureFile(s *v1.AzureFileVolumeSource, at *field.Path) field.ErrorList {
	return append(required(at.Child("secretName"), s.SecretName, ""), required(at.Child("shareName"), s.ShareName, "")...)
}

func validateAzureDisk(s *v1.AzureDiskVolumeSource, at *field.Path) field.ErrorList {
	uri := at.Child("diskURI")
	errs := append(required(at.Child("diskName"), s.DiskName, ""), required(uri, s.DataDiskURI, "")...)
	if s.CachingMode != nil {
		errs = append(errs, oneOf(at.Child("cachingMode"), *s.CachingMode, v1.AzureDataDiskCachingNone, v1.AzureDataDiskCachingReadOnly, v1.AzureDataDiskCachingReadWrite)...)
	}
	if s.Kind == nil {
		return errs
	}
	errs = append(errs, oneOf(at.Child("kind"), *s.Kind, v1.AzureSharedBlobDisk, v1.AzureDedicatedBlobDisk, v1.AzureManagedDisk)...)
	managed := *s.Kind == v1.AzureManagedDisk
	if managed && !strings.HasPrefix(s.DataDiskURI, "/subscriptions/") {
		errs = append(errs, field.NotSupported(uri, s.DataDiskURI, []string{"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"}))
	}
	if !managed && !strings.HasPrefix(s.DataDiskURI, "https://") {
		errs = append(errs, field.NotSupported(uri, s.DataDiskURI, []string{"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"}))
	}
	return errs
}

func validateVsphere(s *v1.VsphereVirtualDiskVolumeSource, at *field.Path) field.ErrorList {
	return required(at.Child("volumePath"), s.VolumePath, "")
}

func validatePhoton(s *v1.PhotonPersistentDiskVolumeSource, at *field.Path) field.ErrorList {
	return required(at.Child("pdID"), s.PdID, "")
}

func validatePortworx(s *v1.PortworxVolumeSource, at *field.Path) field.ErrorList {
	return required(at.Child("volumeID"), s.VolumeID, "")
}

func validateScaleIO(s *v1.ScaleIOVolumeSource, at *field.Path) field.ErrorList {
	return slices.Concat(
		required(at.Child("gateway"), s.Gateway, ""),
		required(at.Child("system"), s.System, ""),
		required(at.Child("volumeName"), s.VolumeName, ""))
}

func validateStorageOS(s *v1.StorageOSVolumeSource, at *field.Path) field.ErrorList {
	errs := required(at.Child("volumeName"), s.VolumeName, "")
	if s.VolumeName != "" {
		errs = validateDNSLabel(s.VolumeName, at.Child("volumeName"))
	}
	if s.VolumeNamespace != "" {
		errs = append(errs, validateDNSLabel(s.VolumeNamespace, at.Child("volumeNamespace"))...)
	}
	return append(errs, validateSecretRef(s.SecretRef, at)...)
}

func validateCSIVolume(s *v1.CSIVolumeSource, at *field.Path) field.ErrorList {
	errs := validateCSIDriver(s.Driver, at.Child("driver"))
	switch ref := s.NodePublishSecretRef; {
	case ref == nil:
	case ref.Name == "":
		errs = append(errs, field.Required(at.Child("nodePublishSecretRef", "name"), ""))
	default:
		errs = append(errs, validateName(ref.Name, apivalidation.NameIsDNSSubdomain, at.Child("name"))...)
	}
	return errs
}

// validateCSIDriver checks the name of a storage driver.
func validateCSIDriver(name string, at *field.Path) field.ErrorList {
	errs := required(at, name, "")
	if len(name) > 63 {
		errs = append(errs, field.TooLong(at, "", 63))
	}
	return append(errs, invalid(at, name, validation.IsDNS1123Subdomain(strings.ToLower(name)))...)
}
