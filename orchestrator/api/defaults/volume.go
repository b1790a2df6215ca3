package defaults

import (
	v1 "k8s.io/api/core/v1"
)

// setVolume makes a volume without a source an emptyDir.
func setVolume(volume *v1.Volume) {
	if volume.VolumeSource == (v1.VolumeSource{}) {
		volume.EmptyDir = &v1.EmptyDirVolumeSource{}
	}
	setFileVolume(&volume.VolumeSource)
	setNetworkVolume(&volume.VolumeSource)
}

// setFileVolume sets the defaults of volumes that this machine can provide.
func setFileVolume(source *v1.VolumeSource) {
	if source.HostPath != nil {
		setHostPath(source.HostPath)
	}
	if source.Secret != nil {
		orNew(&source.Secret.DefaultMode, v1.SecretVolumeSourceDefaultMode)
	}
	if source.ConfigMap != nil {
		orNew(&source.ConfigMap.DefaultMode, v1.ConfigMapVolumeSourceDefaultMode)
	}
	if source.DownwardAPI != nil {
		orNew(&source.DownwardAPI.DefaultMode, v1.DownwardAPIVolumeSourceDefaultMode)
		each(source.DownwardAPI.Items, setDownwardFile)
	}
	if source.Projected != nil {
		orNew(&source.Projected.DefaultMode, v1.ProjectedVolumeSourceDefaultMode)
		each(source.Projected.Sources, setProjection)
	}
	if source.Ephemeral != nil && source.Ephemeral.VolumeClaimTemplate != nil {
		setClaimSpec(&source.Ephemeral.VolumeClaimTemplate.Spec)
	}
	if source.Image != nil && source.Image.PullPolicy == "" {
		source.Image.PullPolicy = pullPolicy(source.Image.Reference)
	}
}

func setHostPath(source *v1.HostPathVolumeSource) {
	orNew(&source.Type, v1.HostPathUnset)
}

func setDownwardFile(file *v1.DownwardAPIVolumeFile) {
	if file.FieldRef != nil {
		orDefault(&file.FieldRef.APIVersion, "v1")
	}
}

func setProjection(p *v1.VolumeProjection) {
	if p.DownwardAPI != nil {
		each(p.DownwardAPI.Items, setDownwardFile)
	}
	if p.ServiceAccountToken != nil {
		orNew(&p.ServiceAccountToken.ExpirationSeconds, 60*60)
	}
}

// setNetworkVolume sets the defaults of volumes that other machines provide.
func setNetworkVolume(source *v1.VolumeSource) {
	if source.ISCSI != nil {
		orDefault(&source.ISCSI.ISCSIInterface, "default")
	}
	if s := source.RBD; s != nil {
		setRBD(&s.RBDPool, &s.RadosUser, &s.Keyring)
	}
	if s := source.ScaleIO; s != nil {
		setScaleIO(&s.StorageMode, &s.FSType)
	}
	setAzureDisk(source.AzureDisk)
}

func setRBD(pool, user, keyring *string) {
	orDefault(pool, "rbd")
	orDefault(user, "admin")
	orDefault(keyring, "/etc/ceph/keyring")
}

func setScaleIO(storageMode, fsType *string) {
	orDefault(storageMode, "ThinProvisioned")
	orDefault(fsType, "xfs")
}

func setAzureDisk(disk *v1.AzureDiskVolumeSource) {
	if disk == nil {
		return
	}
	orNew(&disk.CachingMode, v1.AzureDataDiskCachingReadWrite)
	orNew(&disk.FSType, "ext4")
	orNew(&disk.ReadOnly, false)
	orNew(&disk.Kind, v1.AzureSharedBlobDisk)
}

func setPersistentVolume(volume *v1.PersistentVolume) {
	orDefault(&volume.Status.Phase, v1.VolumePending)
	spec := &volume.Spec
	orDefault(&spec.PersistentVolumeReclaimPolicy, v1.PersistentVolumeReclaimRetain)
	orNew(&spec.VolumeMode, v1.PersistentVolumeFilesystem)
	roundUp(spec.Capacity)
	if spec.HostPath != nil {
		setHostPath(spec.HostPath)
	}
	if spec.ISCSI != nil {
		orDefault(&spec.ISCSI.ISCSIInterface, "default")
	}
	if s := spec.RBD; s != nil {
		setRBD(&s.RBDPool, &s.RadosUser, &s.Keyring)
	}
	if s := spec.ScaleIO; s != nil {
		setScaleIO(&s.StorageMode, &s.FSType)
	}
	setAzureDisk(spec.AzureDisk)
}

func setPersistentVolumeClaim(claim *v1.PersistentVolumeClaim) {
	orDefault(&claim.Status.Phase, v1.ClaimPending)
	setClaimSpec(&claim.Spec)
	roundUp(claim.Status.Capacity)
	roundUp(claim.Status.AllocatedResources)
}

func setClaimSpec(spec *v1.PersistentVolumeClaimSpec) {
	orNew(&spec.VolumeMode, v1.PersistentVolumeFilesystem)
	roundUp(spec.Resources.Limits)
	roundUp(spec.Resources.Requests)
}
