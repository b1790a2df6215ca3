package defaults

import (
	"strings"

	"github.com/distribution/reference"
	v1 "k8s.io/api/core/v1"
)

func setContainer(c *v1.Container) {
	if c.ImagePullPolicy == "" {
		c.ImagePullPolicy = pullPolicy(c.Image)
	}
	orDefault(&c.TerminationMessagePath, v1.TerminationMessagePathDefault)
	orDefault(&c.TerminationMessagePolicy, v1.TerminationMessageReadFile)
	each(c.Ports, func(p *v1.ContainerPort) { orDefault(&p.Protocol, v1.ProtocolTCP) })
	each(c.Env, setEnv)
	roundUpBoth(&c.Resources)
	setProbe(c.LivenessProbe)
	setProbe(c.ReadinessProbe)
	setProbe(c.StartupProbe)
	if c.Lifecycle != nil {
		setHook(c.Lifecycle.PostStart)
		setHook(c.Lifecycle.PreStop)
	}
}

// pullPolicy is Always for the tag latest, which is also that of a name without
// tag and digest, and IfNotPresent for others and for what is no image name.
func pullPolicy(image string) v1.PullPolicy {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return v1.PullIfNotPresent
	}
	tag := ""
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	_, digested := named.(reference.Digested)
	if tag == "latest" || tag == "" && !digested {
		return v1.PullAlways
	}
	return v1.PullIfNotPresent
}

func setEnv(env *v1.EnvVar) {
	from := env.ValueFrom
	if from == nil {
		return
	}
	if from.FieldRef != nil {
		orDefault(&from.FieldRef.APIVersion, "v1")
	}
	if from.FileKeyRef != nil {
		orNew(&from.FileKeyRef.Optional, false)
	}
}

func setProbe(p *v1.Probe) {
	if p == nil {
		return
	}
	orDefault(&p.TimeoutSeconds, 1)
	orDefault(&p.PeriodSeconds, 10)
	orDefault(&p.SuccessThreshold, 1)
	orDefault(&p.FailureThreshold, 3)
	setHTTPGet(p.HTTPGet)
	if p.GRPC != nil {
		orNew(&p.GRPC.Service, "")
	}
}

func setHook(h *v1.LifecycleHandler) {
	if h != nil {
		setHTTPGet(h.HTTPGet)
	}
}

func setHTTPGet(get *v1.HTTPGetAction) {
	if get != nil {
		orDefault(&get.Path, "/")
		orDefault(&get.Scheme, v1.URISchemeHTTP)
	}
}

func isHugePages(name v1.ResourceName) bool {
	return strings.HasPrefix(string(name), v1.ResourceHugePagesPrefix)
}
