package validation

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateVolumes checks the volumes and collects the valid ones, which mounts
// can use.
func (c *specCheck) validateVolumes(path *field.Path) (errs field.ErrorList) {
	c.volumes = make(map[string]*v1.VolumeSource, len(c.spec.Volumes))
	for i := range c.spec.Volumes {
		volume, at := &c.spec.Volumes[i], path.Index(i)
		problems := c.validateSource(volume, at)
		if volume.Name == "" {
			problems = append(problems, field.Required(at.Child("name"), ""))
		} else {
			problems = append(problems, validateDNSLabel(volume.Name, at.Child("name"))...)
		}
		if c.volumes[volume.Name] != nil {
			problems = append(problems, field.Duplicate(at.Child("name"), volume.Name))
		}
		if len(problems) == 0 {
			c.volumes[volume.Name] = &volume.VolumeSource
		}
		errs = append(errs, problems...)
		errs = append(errs, c.validateForeignClaim(volume, at)...)
	}
	return errs
}

// validateForeignClaim checks that a volume uses no claim which another volume
// of this pod makes.
func (c *specCheck) validateForeignClaim(volume *v1.Volume, path *field.Path) field.ErrorList {
	if volume.PersistentVolumeClaim == nil || c.meta == nil || c.meta.Name == "" {
		return nil
	}
	claim := volume.PersistentVolumeClaim.ClaimName
	makes := func(v v1.Volume) bool { return v.Ephemeral != nil && c.meta.Name+"-"+v.Name == claim }
	if !slices.ContainsFunc(c.spec.Volumes, makes) {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("persistentVolumeClaim", "claimName"), claim,
		"must not reference a PVC that gets created for an ephemeral volume")}
}

// validateSource checks that a volume has one source, and that it is valid.
func (c *specCheck) validateSource(volume *v1.Volume, path *field.Path) (errs field.ErrorList) {
	given := 0
	for i := range volumeSources {
		source := &volumeSources[i]
		if !source.present(&volume.VolumeSource) {
			continue
		}
		if given++; given > 1 {
			errs = append(errs, field.Forbidden(path.Child(source.name), "may not specify more than 1 volume type"))
			continue
		}
		errs = append(errs, source.check(&volume.VolumeSource, path.Child(source.path))...)
		errs = append(errs, c.validateOwn(source.name, volume, path)...)
	}
	if given == 0 {
		return field.ErrorList{field.Required(path, "must specify a volume type")}
	}
	if s := volume.ISCSI; s != nil && s.InitiatorName != nil && len(volume.Name+":"+s.TargetPortal) > 64 {
		errs = append(errs, field.Invalid(path.Child("name"), volume.Name,
			"Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."))
	}
	return errs
}

// validateOwn checks what depends on the pod besides the source.
func (c *specCheck) validateOwn(source string, volume *v1.Volume, path *field.Path) field.ErrorList {
	switch {
	case source == "image" && c.isPod:
		return required(path.Child("image", "reference"), volume.Image.Reference, "")
	case source == "ephemeral" && c.meta != nil && c.meta.Name != "" && volume.Name != "":
		return validateMadeClaimName(c.meta.Name+"-"+volume.Name, volume.Name, path.Child("name"))
	}
	return nil
}

func validateMadeClaimName(claim, volume string, path *field.Path) (errs field.ErrorList) {
	for _, message := range apivalidation.NameIsDNSSubdomain(claim, false) {
		errs = append(errs, field.Invalid(path, volume, fmt.Sprintf("PVC name %q: %v", claim, message)))
	}
	return errs
}

// volumeSource is a kind of source that a volume can have.
type volumeSource struct {
	// name is the field in errors about several sources, path that in errors
	// about this one; Kubernetes spells some differently.
	name, path string
	present    func(*v1.VolumeSource) bool
	check      func(*v1.VolumeSource, *field.Path) field.ErrorList
}

// source makes the entry of a source that get finds.
func source[T any](name, path string, get func(*v1.VolumeSource) *T, check func(*T, *field.Path) field.ErrorList) volumeSource {
	return volumeSource{
		name: name, path: path,
		present: func(s *v1.VolumeSource) bool { return get(s) != nil },
		check:   func(s *v1.VolumeSource, at *field.Path) field.ErrorList { return check(get(s), at) },
	}
}

// volumeSources are all sources, in the order in which they are checked.
var volumeSources = [...]volumeSource{
	source("emptyDir", "emptyDir", func(s *v1.VolumeSource) *v1.EmptyDirVolumeSource { return s.EmptyDir }, validateEmptyDir),
	source("hostPath", "hostPath", func(s *v1.VolumeSource) *v1.HostPathVolumeSource { return s.HostPath }, validateHostPath),
	source("gitRepo", "gitRepo", func(s *v1.VolumeSource) *v1.GitRepoVolumeSource { return s.GitRepo }, validateGitRepo),
	source("gcePersistentDisk", "persistentDisk", func(s *v1.VolumeSource) *v1.GCEPersistentDiskVolumeSource { return s.GCEPersistentDisk }, validateGCEDisk),
	source("awsElasticBlockStore", "awsElasticBlockStore", func(s *v1.VolumeSource) *v1.AWSElasticBlockStoreVolumeSource { return s.AWSElasticBlockStore }, validateAWSDisk),
	source("secret", "secret", func(s *v1.VolumeSource) *v1.SecretVolumeSource { return s.Secret }, validateSecretVolume),
	source("nfs", "nfs", func(s *v1.VolumeSource) *v1.NFSVolumeSource { return s.NFS }, validateNFS),
	source("iscsi", "iscsi", func(s *v1.VolumeSource) *v1.ISCSIVolumeSource { return s.ISCSI }, validateISCSI),
	source("glusterfs", "glusterfs", func(s *v1.VolumeSource) *v1.GlusterfsVolumeSource { return s.Glusterfs }, validateGlusterfs),
	source("flocker", "flocker", func(s *v1.VolumeSource) *v1.FlockerVolumeSource { return s.Flocker }, validateFlocker),
	source("persistentVolumeClaim", "persistentVolumeClaim", func(s *v1.VolumeSource) *v1.PersistentVolumeClaimVolumeSource { return s.PersistentVolumeClaim }, validateClaimVolume),
	source("rbd", "rbd", func(s *v1.VolumeSource) *v1.RBDVolumeSource { return s.RBD }, validateRBD),
	source("cinder", "cinder", func(s *v1.VolumeSource) *v1.CinderVolumeSource { return s.Cinder }, validateCinder),
	source("cephFS", "cephfs", func(s *v1.VolumeSource) *v1.CephFSVolumeSource { return s.CephFS }, validateCephFS),
	source("quobyte", "quobyte", func(s *v1.VolumeSource) *v1.QuobyteVolumeSource { return s.Quobyte }, validateQuobyte),
	source("downwarAPI", "downwardAPI", func(s *v1.VolumeSource) *v1.DownwardAPIVolumeSource { return s.DownwardAPI }, validateDownwardVolume),
	source("fc", "fc", func(s *v1.VolumeSource) *v1.FCVolumeSource { return s.FC }, validateFC),
	source("flexVolume", "flexVolume", func(s *v1.VolumeSource) *v1.FlexVolumeSource { return s.FlexVolume }, validateFlexVolume),
	source("configMap", "configMap", func(s *v1.VolumeSource) *v1.ConfigMapVolumeSource { return s.ConfigMap }, validateConfigMapVolume),
	source("azureFile", "azureFile", func(s *v1.VolumeSource) *v1.AzureFileVolumeSource { return s.AzureFile }, validateAzureFile),
	source("vsphereVolume", "vsphereVolume", func(s *v1.VolumeSource) *v1.VsphereVirtualDiskVolumeSource { return s.VsphereVolume }, validateVsphere),
	source("photonPersistentDisk", "photonPersistentDisk", func(s *v1.VolumeSource) *v1.PhotonPersistentDiskVolumeSource { return s.PhotonPersistentDisk }, validatePhoton),
	source("portworxVolume", "portworxVolume", func(s *v1.VolumeSource) *v1.PortworxVolumeSource { return s.PortworxVolume }, validatePortworx),
	source("azureDisk", "azureDisk", func(s *v1.VolumeSource) *v1.AzureDiskVolumeSource { return s.AzureDisk }, validateAzureDisk),
	source("storageos", "storageos", func(s *v1.VolumeSource) *v1.StorageOSVolumeSource { return s.StorageOS }, validateStorageOS),
	source("projected", "projected", func(s *v1.VolumeSource) *v1.ProjectedVolumeSource { return s.Projected }, validateProjected),
	source("scaleIO", "scaleIO", func(s *v1.VolumeSource) *v1.ScaleIOVolumeSource { return s.ScaleIO }, validateScaleIO),
	source("csi", "csi", func(s *v1.VolumeSource) *v1.CSIVolumeSource { return s.CSI }, validateCSIVolume),
	source("ephemeral", "ephemeral", func(s *v1.VolumeSource) *v1.EphemeralVolumeSource { return s.Ephemeral }, validateEphemeralVolume),
	source("image", "image", func(s *v1.VolumeSource) *v1.ImageVolumeSource { return s.Image }, validateImageVolume),
}

func validateEmptyDir(s *v1.EmptyDirVolumeSource, path *field.Path) field.ErrorList {
	if s.SizeLimit == nil || s.SizeLimit.Sign() >= 0 {
		return nil
	}
	return field.ErrorList{field.Forbidden(path.Child("sizeLimit"), "SizeLimit field must be a valid resource quantity")}
}

func validateHostPath(s *v1.HostPathVolumeSource, path *field.Path) field.ErrorList {
	if s.Path == "" {
		return field.ErrorList{field.Required(path.Child("path"), "")}
	}
	errs := validateNoBacksteps(s.Path, path.Child("path"))
	if s.Type != nil {
		errs = append(errs, oneOf(path.Child("type"), *s.Type, v1.HostPathUnset, v1.HostPathDirectoryOrCreate, v1.HostPathDirectory,
			v1.HostPathFileOrCreate, v1.HostPathFile, v1.HostPathSocket, v1.HostPathCharDev, v1.HostPathBlockDev)...)
	}
	return errs
}

func validateSecretVolume(s *v1.SecretVolumeSource, path *field.Path) field.ErrorList {
	return slices.Concat(
		required(path.Child("secretName"), s.SecretName, ""),
		validateFileMode(s.DefaultMode, path.Child("defaultMode")),
		validateItems(s.Items, path.Child("items")))
}

func validateConfigMapVolume(s *v1.ConfigMapVolumeSource, path *field.Path) field.ErrorList {
	return slices.Concat(
		required(path.Child("name"), s.Name, ""),
		validateFileMode(s.DefaultMode, path.Child("defaultMode")),
		validateItems(s.Items, path.Child("items")))
}

func validateFileMode(mode *int32, path *field.Path) field.ErrorList {
	if mode == nil || *mode >= 0 && *mode <= 0o777 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *mode, msgFileMode)}
}

func validateItems(items []v1.KeyToPath, path *field.Path) (errs field.ErrorList) {
	for i := range items {
		errs = append(errs, validateItem(&items[i], path.Index(i))...)
	}
	return errs
}

// validateItem checks the file that a key becomes.
func validateItem(item *v1.KeyToPath, path *field.Path) field.ErrorList {
	return slices.Concat(
		required(path.Child("key"), item.Key, ""),
		required(path.Child("path"), item.Path, ""),
		validateVolumeFile(item.Path, path.Child("path")),
		validateFileMode(item.Mode, path.Child("mode")))
}

func validateClaimVolume(s *v1.PersistentVolumeClaimVolumeSource, path *field.Path) field.ErrorList {
	return required(path.Child("claimName"), s.ClaimName, "")
}

// validateDownwardVolume checks files made of the pod's fields. As in
// Kubernetes, errors do not tell the index of a file.
func validateDownwardVolume(s *v1.DownwardAPIVolumeSource, path *field.Path) field.ErrorList {
	errs := validateFileMode(s.DefaultMode, path.Child("defaultMode"))
	for i := range s.Items {
		errs = append(errs, validateDownwardFile(&s.Items[i], path)...)
	}
	return errs
}

func validateDownwardFile(file *v1.DownwardAPIVolumeFile, path *field.Path) field.ErrorList {
	errs := slices.Concat(
		required(path.Child("path"), file.Path, ""),
		validateVolumeFile(file.Path, path.Child("path")))
	switch {
	case file.FieldRef != nil:
		errs = append(errs, validateFieldRef(file.FieldRef, fileFields, path.Child("fieldRef"))...)
		if file.ResourceFieldRef != nil {
			errs = append(errs, field.Invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
		}
	case file.ResourceFieldRef != nil:
		errs = append(errs, validateResourceRef(file.ResourceFieldRef, true, path.Child("resourceFieldRef"))...)
	default:
		errs = append(errs, field.Required(path, "one of fieldRef and resourceFieldRef is required"))
	}
	return append(errs, validateFileMode(file.Mode, path.Child("mode"))...)
}

func validateEphemeralVolume(s *v1.EphemeralVolumeSource, path *field.Path) field.ErrorList {
	path = path.Child("volumeClaimTemplate")
	template := s.VolumeClaimTemplate
	if template == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	meta := path.Child("metadata")
	return slices.Concat(
		apivalidation.ValidateAnnotations(template.Annotations, meta.Child("annotations")),
		metavalidation.ValidateLabels(template.Labels, meta.Child("labels")),
		validateTemplateMeta(&template.ObjectMeta, meta),
		validateClaimSpec(&template.Spec, path.Child("spec")))
}

func validateImageVolume(s *v1.ImageVolumeSource, path *field.Path) field.ErrorList {
	return validatePullPolicy(s.PullPolicy, path.Child("pullPolicy"))
}
