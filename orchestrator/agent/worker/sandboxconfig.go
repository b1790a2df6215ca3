package worker

import (
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/lubberline/lubberline/orchestrator/agent/observed"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// LogDirectory is the folder of the pod's logs: ROOT/NAMESPACE_NAME_UID.
func (o *Options) LogDirectory(pod *v1.Pod) string {
	return filepath.Join(o.LogDir, pod.Namespace+"_"+pod.Name+"_"+string(pod.UID))
}

// sandboxConfig describes the pod's sandbox to the runtime.
func (o *Options) sandboxConfig(pod *v1.Pod, attempt uint32, cgroupParent string) (*cri.PodSandboxConfig, error) {
	dns, err := o.Environment.DNS(pod)
	if err != nil {
		return nil, err
	}
	config := &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: pod.Name, Namespace: pod.Namespace, Uid: string(pod.UID), Attempt: attempt},
		Labels:       observed.SandboxLabels(pod),
		Annotations:  pod.Annotations,
		LogDirectory: o.LogDirectory(pod),
		DnsConfig:    dns,
		PortMappings: portMappings(pod),
		Linux:        linuxSandbox(pod, cgroupParent),
	}
	if !pod.Spec.HostNetwork {
		if config.Hostname, err = hostname(pod, o.ClusterDomain); err != nil {
			return nil, err
		}
	}
	return config, nil
}

func linuxSandbox(pod *v1.Pod, cgroupParent string) *cri.LinuxPodSandboxConfig {
	security := &cri.LinuxSandboxSecurityContext{
		Privileged:       anyPrivileged(pod),
		NamespaceOptions: namespaces(pod),
		Seccomp:          &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault},
	}
	linux := &cri.LinuxPodSandboxConfig{
		CgroupParent: cgroupParent, SecurityContext: security,
		Sysctls: make(map[string]string), Resources: sandboxResources(pod),
	}
	context := pod.Spec.SecurityContext
	if context == nil {
		return linux
	}
	security.RunAsUser, security.RunAsGroup = int64Value(context.RunAsUser), int64Value(context.RunAsGroup)
	security.SupplementalGroups, security.SupplementalGroupsPolicy = groups(context)
	security.SelinuxOptions = selinux(context.SELinuxOptions)
	for _, sysctl := range context.Sysctls {
		linux.Sysctls[dotted(sysctl.Name)] = sysctl.Value
	}
	return linux
}

// dotted writes a sysctl's name with dots between its parts. Names may come
// with slashes between parts and then dots inside of them.
func dotted(name string) string {
	slash, dot := strings.IndexByte(name, '/'), strings.IndexByte(name, '.')
	if slash < 0 || dot >= 0 && dot < slash {
		return name
	}
	return strings.NewReplacer("/", ".", ".", "/").Replace(name)
}

// sandboxResources tells the runtime the pod's sums; it only passes them on.
func sandboxResources(pod *v1.Pod) *cri.LinuxContainerResources {
	requests, limits := podutil.Requests(pod), podutil.Limits(pod)
	r := &cri.LinuxContainerResources{CpuShares: cpuShares(requests.Cpu().MilliValue())}
	if podutil.Limited(pod, v1.ResourceCPU) {
		r.CpuPeriod, r.CpuQuota = cpuPeriod, cpuQuota(limits.Cpu().MilliValue())
	}
	if podutil.Limited(pod, v1.ResourceMemory) {
		r.MemoryLimitInBytes = limits.Memory().Value()
	}
	return r
}

func portMappings(pod *v1.Pod) []*cri.PortMapping {
	var mappings []*cri.PortMapping
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			for _, port := range list[i].Ports {
				mappings = append(mappings, &cri.PortMapping{
					Protocol: protocol(port.Protocol), ContainerPort: port.ContainerPort, HostPort: port.HostPort, HostIp: port.HostIP,
				})
			}
		}
	}
	return mappings
}

func protocol(p v1.Protocol) cri.Protocol {
	switch p {
	case v1.ProtocolUDP:
		return cri.Protocol_UDP
	case v1.ProtocolSCTP:
		return cri.Protocol_SCTP
	default:
		return cri.Protocol_TCP
	}
}

func namespaces(pod *v1.Pod) *cri.NamespaceOption {
	options := &cri.NamespaceOption{Pid: cri.NamespaceMode_CONTAINER}
	if pod.Spec.HostNetwork {
		options.Network = cri.NamespaceMode_NODE
	}
	if pod.Spec.HostIPC {
		options.Ipc = cri.NamespaceMode_NODE
	}
	switch share := pod.Spec.ShareProcessNamespace; {
	case pod.Spec.HostPID:
		options.Pid = cri.NamespaceMode_NODE
	case share != nil && *share:
		options.Pid = cri.NamespaceMode_POD
	}
	return options
}

// groups are the supplemental groups of a pod's processes, fsGroup among them.
func groups(context *v1.PodSecurityContext) ([]int64, cri.SupplementalGroupsPolicy) {
	var ids []int64
	if context.FSGroup != nil {
		ids = append(ids, *context.FSGroup)
	}
	ids = append(ids, context.SupplementalGroups...)
	if p := context.SupplementalGroupsPolicy; p != nil && *p == v1.SupplementalGroupsPolicyStrict {
		return ids, cri.SupplementalGroupsPolicy_Strict
	}
	return ids, cri.SupplementalGroupsPolicy_Merge
}

func anyPrivileged(pod *v1.Pod) bool {
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if s := list[i].SecurityContext; s != nil && s.Privileged != nil && *s.Privileged {
				return true
			}
		}
	}
	return false
}

func int64Value(v *int64) *cri.Int64Value {
	if v == nil {
		return nil
	}
	return &cri.Int64Value{Value: *v}
}

func selinux(o *v1.SELinuxOptions) *cri.SELinuxOption {
	if o == nil {
		return nil
	}
	return &cri.SELinuxOption{User: o.User, Role: o.Role, Type: o.Type, Level: o.Level}
}
