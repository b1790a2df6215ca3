package rollingupdate

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/templatehash"
)

// target is the controller that takes over from old, with its name and its
// final number of replicas.
func (r *Request) target(old *corev1.ReplicationController) (*corev1.ReplicationController, error) {
	if old.Spec.Template == nil {
		return nil, fmt.Errorf("replication controller %s has no template", old.Name)
	}
	if r.Manifest != nil {
		return r.manifested(old)
	}
	return r.reimaged(old)
}

// manifested is the manifest's; what it leaves out about replicas and selector
// is as the old controller has it and as the API server would fill it in.
func (r *Request) manifested(old *corev1.ReplicationController) (*corev1.ReplicationController, error) {
	target := r.Manifest.DeepCopy()
	if target.Name == "" || target.Spec.Template == nil {
		return nil, errors.New("the manifest must have a name and a template")
	}
	if target.Spec.Replicas == nil {
		setReplicas(target, replicas(old))
	}
	if target.Spec.Selector == nil {
		target.Spec.Selector = target.Spec.Template.Labels
	}
	if !differ(old.Spec.Selector, target.Spec.Selector) {
		return nil, fmt.Errorf("%s must specify a matching key with non-equal value in Selector for %s", target.Name, old.Name)
	}
	return target, nil
}

// differ tells whether no pod can be selected by both.
func differ(a, b map[string]string) bool {
	for key, value := range a {
		if other, ok := b[key]; ok && other != value {
			return true
		}
	}
	return false
}

// reimaged is the old controller with another image.
func (r *Request) reimaged(old *corev1.ReplicationController) (*corev1.ReplicationController, error) {
	target := &corev1.ReplicationController{ObjectMeta: metav1.ObjectMeta{Labels: old.Labels, Annotations: old.Annotations}, Spec: old.Spec}
	target = target.DeepCopy()
	unannotate(target)
	i, err := containerIndex(old, r.Container)
	if err != nil {
		return nil, err
	}
	c := &target.Spec.Template.Spec.Containers[i]
	if c.Image == r.Image && r.PullPolicy == "" {
		return nil, errors.New("--image-pull-policy (Always|Never|IfNotPresent) must be provided when --image is the same as existing container image")
	}
	c.Image = r.Image
	if r.PullPolicy != "" {
		c.ImagePullPolicy = r.PullPolicy
	}
	hash := r.hash(old, target.Spec.Template)
	relabel(target, r.Key, hash)
	if target.Name = r.New; target.Name == "" {
		target.Name = nextName(old, hash)
	}
	return target, nil
}

// nextName is the name that an update was begun with, or else one of its own.
func nextName(old *corev1.ReplicationController, hash string) string {
	if name := old.Annotations[NextAnnotation]; name != "" && name != old.Name {
		return name
	}
	return old.Name + "-" + hash
}

// hash is the label's value of an update. It is the same whenever the update is
// asked for again, and another when a later update has the same template.
func (r *Request) hash(old *corev1.ReplicationController, template *corev1.PodTemplateSpec) string {
	unique := template.DeepCopy()
	delete(unique.Labels, r.Key)
	metav1.SetMetaDataAnnotation(&unique.ObjectMeta, SourceAnnotation, sourceID(old))
	return templatehash.Of(unique, nil)
}

func oldValue(old *corev1.ReplicationController) string {
	return templatehash.Of(old.Spec.Template, nil) + "-orig"
}

// containerIndex finds the container whose image is meant; one need not be
// named where there is only one.
func containerIndex(rc *corev1.ReplicationController, name string) (int, error) {
	containers := rc.Spec.Template.Spec.Containers
	for i := range containers {
		if containers[i].Name == name || name == "" && len(containers) == 1 {
			return i, nil
		}
	}
	if name == "" {
		return 0, errors.New("must specify container to update when updating a multi-container pod")
	}
	return 0, fmt.Errorf("container %s not found in pod", name)
}
