package validation

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// PodWarnings are what the client should be told about a new pod that is valid
// and yet hardly what was meant.
func PodWarnings(pod *v1.Pod) []string {
	var w warnings
	if problems := validation.IsDNS1123Label(pod.Name); len(problems) > 0 {
		w.add("metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: %v", problems)
	}
	w.addSpec(&pod.Spec, pod.Annotations, nil)
	return w
}

// PodTemplateWarnings are those about the template at path in a new object.
func PodTemplateWarnings(template *v1.PodTemplateSpec, path *field.Path) []string {
	var w warnings
	w.addSpec(&template.Spec, template.Annotations, path)
	return w
}

// warnings collects warnings.
type warnings []string

func (w *warnings) add(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }

func (w *warnings) addSpec(spec *v1.PodSpec, annotations map[string]string, path *field.Path) {
	at := path.Child("spec")
	w.addLabels(spec, at)
	w.addAnnotations(spec, annotations, path.Child("metadata", "annotations"))
	w.addVolumes(spec.Volumes, at.Child("volumes"))
	w.addDuplicates(spec, at)
	w.addFractions(spec.Overhead, at.Child("overhead"))
	visitContainers(spec, at, func(c *v1.Container, at *field.Path) {
		w.addFractions(c.Resources.Limits, at.Child("resources", "limits"))
		w.addFractions(c.Resources.Requests, at.Child("resources", "requests"))
		w.addHiddenEnv(c.Env, at.Child("env"))
	})
	w.addPorts(spec, at)
	if grace := spec.TerminationGracePeriodSeconds; grace != nil && *grace < 0 {
		w.add("%s: must be >= 0; negative values are invalid and will be treated as 1", at.Child("terminationGracePeriodSeconds"))
	}
	w.addSelectors(spec, at)
	w.addAddresses(spec, at)
}

// deprecatedLabel tells what to use in place of a label of nodes.
func deprecatedLabel(name string) string {
	switch name {
	case v1.LabelFailureDomainBetaZone:
		return `deprecated since v1.17; use "topology.kubernetes.io/zone" instead`
	case v1.LabelFailureDomainBetaRegion:
		return `deprecated since v1.17; use "topology.kubernetes.io/region" instead`
	case v1.LabelInstanceType:
		return `deprecated since v1.17; use "node.kubernetes.io/instance-type" instead`
	case "beta.kubernetes.io/arch":
		return `deprecated since v1.14; use "kubernetes.io/arch" instead`
	case "beta.kubernetes.io/os":
		return `deprecated since v1.14; use "kubernetes.io/os" instead`
	case "app.kubernetes.io/created-by":
		return `deprecated since v1.9`
	case "scheduler.alpha.kubernetes.io/preferAvoidPods":
		return `deprecated since v1.22; use Taints and Tolerations instead`
	case "node-role.kubernetes.io/master":
		return `use "node-role.kubernetes.io/control-plane" instead`
	}
	return ""
}

// addLabels warns of node labels that are no longer to be used.
func (w *warnings) addLabels(spec *v1.PodSpec, path *field.Path) {
	for _, name := range sortedKeys(spec.NodeSelector) {
		if advice := deprecatedLabel(name); advice != "" {
			w.add("%s: %s", path.Child("nodeSelector").Key(name), advice)
		}
	}
	for i, constraint := range spec.TopologySpreadConstraints {
		at := path.Child("topologySpreadConstraints").Index(i)
		if advice := deprecatedLabel(constraint.TopologyKey); advice != "" {
			w.add("%s: %s is %s", at.Child("topologyKey"), constraint.TopologyKey, advice)
		}
		if constraint.LabelSelector == nil {
			w.add("%s: a null labelSelector results in matching no pod", at.Child("labelSelector"))
		}
	}
}

// addAnnotations warns of annotations that no longer do anything.
func (w *warnings) addAnnotations(spec *v1.PodSpec, annotations map[string]string, path *field.Path) {
	for _, a := range [...]struct{ name, advice string }{
		{"scheduler.alpha.kubernetes.io/critical-pod", `non-functional in v1.16+; use the "priorityClassName" field instead`},
		{"security.alpha.kubernetes.io/sysctls", `non-functional in v1.11+; use the "sysctls" field instead`},
		{"security.alpha.kubernetes.io/unsafe-sysctls", `non-functional in v1.11+; use the "sysctls" field instead`},
		{v1.SeccompPodAnnotationKey, seccompAdvice(spec.SecurityContext != nil && spec.SecurityContext.SeccompProfile != nil)},
	} {
		if hasAnnotation(annotations, a.name) && a.advice != "" {
			w.add("%s: %s", path.Key(a.name), a.advice)
		}
	}
	visitContainers(spec, nil, func(c *v1.Container, _ *field.Path) {
		name := v1.SeccompContainerAnnotationKeyPrefix + c.Name
		advice := seccompAdvice(c.SecurityContext != nil && c.SecurityContext.SeccompProfile != nil)
		if hasAnnotation(annotations, name) && advice != "" {
			w.add("%s: %s", path.Key(name), advice)
		}
	})
}

// seccompAdvice is what to use in place of an annotation, unless it is used.
func seccompAdvice(used bool) string {
	if used {
		return ""
	}
	return `non-functional in v1.27+; use the "seccompProfile" field instead`
}

// addVolumes warns of sources that nothing mounts any more.
func (w *warnings) addVolumes(volumes []v1.Volume, path *field.Path) {
	for i := range volumes {
		v, at := &volumes[i], path.Index(i)
		for _, source := range []struct {
			used        bool
			name, since string
		}{
			{v.PhotonPersistentDisk != nil, "photonPersistentDisk", "v1.11, non-functional in v1.16+"},
			{v.GitRepo != nil, "gitRepo", "v1.11, and disabled by default in v1.33+"},
			{v.ScaleIO != nil, "scaleIO", "v1.16, non-functional in v1.22+"},
			{v.Flocker != nil, "flocker", "v1.22, non-functional in v1.25+"},
			{v.StorageOS != nil, "storageOS", "v1.22, non-functional in v1.25+"},
			{v.Quobyte != nil, "quobyte", "v1.22, non-functional in v1.25+"},
			{v.Glusterfs != nil, "glusterfs", "v1.25, non-functional in v1.26+"},
			{v.CephFS != nil, "cephfs", "v1.28, non-functional in v1.31+"},
			{v.RBD != nil, "rbd", "v1.28, non-functional in v1.31+"},
		} {
			if source.used {
				w.add("%s: deprecated in %s", at.Child(source.name), source.since)
			}
		}
		w.addOverlaps(v)
	}
}

// volumeFile is a file of a volume and, in a projected one, what it comes from.
type volumeFile struct{ path, source string }

func (f volumeFile) String() string {
	if f.source == "" {
		return fmt.Sprintf("%q", f.path)
	}
	return fmt.Sprintf("%q (%s)", f.path, f.source)
}

// addOverlaps warns of files that hide one another.
func (w *warnings) addOverlaps(v *v1.Volume) {
	if s := v.ConfigMap; s != nil {
		w.addFileOverlaps(v.Name, fmt.Sprintf("ConfigMap %q", s.Name), keyFiles(s.Items, ""))
	}
	if s := v.Secret; s != nil {
		w.addFileOverlaps(v.Name, fmt.Sprintf("Secret %q", s.SecretName), keyFiles(s.Items, ""))
	}
	if s := v.DownwardAPI; s != nil {
		w.addFileOverlaps(v.Name, "DownwardAPI", downwardFiles(s.Items, ""))
	}
	if v.Projected == nil {
		return
	}
	var files []volumeFile
	for i := range v.Projected.Sources {
		if v.Projected.Sources[i] == (v1.VolumeProjection{}) {
			w.add("volume %q (Projected) has no sources provided", v.Name)
		}
		files = append(files, projectedFiles(&v.Projected.Sources[i])...)
	}
	w.addFileOverlaps(v.Name, "Projected", files)
}

func keyFiles(items []v1.KeyToPath, source string) (files []volumeFile) {
	for i := range items {
		files = append(files, volumeFile{items[i].Path, source})
	}
	return files
}

func downwardFiles(items []v1.DownwardAPIVolumeFile, source string) (files []volumeFile) {
	for i := range items {
		files = append(files, volumeFile{items[i].Path, source})
	}
	return files
}

func projectedFiles(s *v1.VolumeProjection) []volumeFile {
	switch {
	case s.ConfigMap != nil:
		return keyFiles(s.ConfigMap.Items, fmt.Sprintf("ConfigMap %q", s.ConfigMap.Name))
	case s.Secret != nil:
		return keyFiles(s.Secret.Items, fmt.Sprintf("Secret %q", s.Secret.Name))
	case s.DownwardAPI != nil:
		return downwardFiles(s.DownwardAPI.Items, "DownwardAPI")
	case s.ServiceAccountToken != nil:
		return []volumeFile{{s.ServiceAccountToken.Path, "ServiceAccountToken"}}
	}
	return nil
}

func (w *warnings) addFileOverlaps(volume, source string, files []volumeFile) {
	for i, file := range files {
		file.path = strings.TrimRight(file.path, "/")
		for _, other := range files[:i] {
			other.path = strings.TrimRight(other.path, "/")
			within := strings.HasPrefix(file.path+"/", other.path+"/") || strings.HasPrefix(other.path+"/", file.path+"/")
			if file.path != "" && other.path != "" && within {
				w.add("volume %q (%s): overlapping paths: %s with %s", volume, source, file, other)
			}
		}
	}
}

// addDuplicates warns of host aliases and pull secrets named twice.
func (w *warnings) addDuplicates(spec *v1.PodSpec, path *field.Path) {
	addresses, names := map[string]bool{}, map[string]bool{}
	for i, alias := range spec.HostAliases {
		if addresses[alias.IP] {
			w.add("%s: duplicate ip %q", path.Child("hostAliases").Index(i).Child("ip"), alias.IP)
		}
		addresses[alias.IP] = true
	}
	for i, secret := range spec.ImagePullSecrets {
		at := path.Child("imagePullSecrets").Index(i).Child("name")
		if names[secret.Name] {
			w.add("%s: duplicate name %q", at, secret.Name)
		}
		if secret.Name == "" {
			w.add("%s: invalid empty name %q", at, secret.Name)
		}
		names[secret.Name] = true
	}
}

// addFractions warns of parts of a byte.
func (w *warnings) addFractions(list v1.ResourceList, path *field.Path) {
	for _, name := range [2]v1.ResourceName{v1.ResourceMemory, v1.ResourceEphemeralStorage} {
		if value, ok := list[name]; ok && value.MilliValue()%1000 != 0 {
			w.add("%s: fractional byte value %q is invalid, must be an integer", path.Key(string(name)), value.String())
		}
	}
}

// addHiddenEnv warns of variables that are set again without use of what they
// were.
func (w *warnings) addHiddenEnv(vars []v1.EnvVar, path *field.Path) {
	names := map[string]bool{}
	for i, v := range vars {
		before := fmt.Sprintf("$(%s)", v.Name)
		extends := v.ValueFrom == nil && v.Value != before && strings.Contains(v.Value, before)
		if names[v.Name] && !extends {
			w.add("%s: hides previous definition of %q, which may be dropped when using apply", path.Index(i), v.Name)
		}
		names[v.Name] = true
	}
}

// usedPort is a port and where it is given.
type usedPort struct {
	port v1.ContainerPort
	at   *field.Path
}

// addPorts warns of ports given twice, by number or by name.
func (w *warnings) addPorts(spec *v1.PodSpec, path *field.Path) {
	used, names := map[string][]usedPort{}, map[string]*field.Path{}
	visitContainers(spec, path, func(c *v1.Container, container *field.Path) {
		for i, port := range c.Ports {
			at := container.Child("ports").Index(i)
			if port.HostIP != "" && port.HostPort == 0 {
				w.add("%s: hostIP set without hostPort: %+v", at, port)
			}
			key := fmt.Sprintf("%d/%s", port.ContainerPort, port.Protocol)
			for _, other := range used[key] {
				w.addPortConflict(usedPort{port, at}, other)
			}
			used[key] = append(used[key], usedPort{port, at})
			if first := names[port.Name]; first != nil {
				w.add("%s: duplicate port name %q with %s, services and probes that select ports by name will use %s", at, port.Name, first, first)
			} else if port.Name != "" {
				names[port.Name] = at
			}
		}
	})
}

func (w *warnings) addPortConflict(p, other usedPort) {
	switch a, b := p.port, other.port; {
	case a.HostIP == b.HostIP && a.HostPort == b.HostPort:
		w.add("%s: duplicate port definition with %s", p.at, other.at)
	case a.HostPort == 0 || b.HostPort == 0:
		w.add("%s: overlapping port definition with %s", p.at, other.at)
	case a.HostPort == b.HostPort && (a.HostIP == "") != (b.HostIP == ""):
		w.add("%s: dangerously ambiguous port definition with %s", p.at, other.at)
	}
}

// addSelectors warns of affinity to no pod at all.
func (w *warnings) addSelectors(spec *v1.PodSpec, path *field.Path) {
	if spec.Affinity == nil {
		return
	}
	if a := spec.Affinity.PodAffinity; a != nil {
		w.addTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("affinity", "podAffinity"))
	}
	if a := spec.Affinity.PodAntiAffinity; a != nil {
		w.addTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("affinity", "podAntiAffinity"))
	}
}

func (w *warnings) addTerms(must []v1.PodAffinityTerm, prefer []v1.WeightedPodAffinityTerm, path *field.Path) {
	const message = "%s: a null labelSelector results in matching no pod"
	for i := range must {
		if must[i].LabelSelector == nil {
			w.add(message, path.Child(requiredTerms).Index(i).Child("labelSelector"))
		}
	}
	for i := range prefer {
		if prefer[i].PodAffinityTerm.LabelSelector == nil {
			w.add(message, path.Child(preferredTerms).Index(i).Child("podAffinityTerm", "labelSelector"))
		}
	}
}

// addAddresses warns of addresses in forms that may be refused one day.
func (w *warnings) addAddresses(spec *v1.PodSpec, path *field.Path) {
	if spec.DNSConfig != nil {
		for i, server := range spec.DNSConfig.Nameservers {
			w.addAddress(server, path.Child("dnsConfig", "nameservers").Index(i))
		}
	}
	for i, alias := range spec.HostAliases {
		w.addAddress(alias.IP, path.Child("hostAliases").Index(i).Child("ip"))
	}
}

func (w *warnings) addAddress(address string, path *field.Path) {
	if len(validateAddress(address, nil, path)) == 0 {
		*w = append(*w, validation.GetWarningsForIP(path, address)...)
	}
}
