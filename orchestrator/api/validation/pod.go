package validation

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidatePodCreate checks a new pod.
func ValidatePodCreate(pod *v1.Pod) field.ErrorList {
	errs := validatePod(pod)
	path := field.NewPath("spec")
	if len(pod.Spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(path.Child("ephemeralContainers"), "cannot be set on create"))
	}
	if pod.Spec.NodeName != "" && len(pod.Spec.SchedulingGates) > 0 {
		errs = append(errs, field.Forbidden(path.Child("nodeName"), "cannot be set until all schedulingGates have been cleared"))
	}
	return slices.Concat(errs, validateProfileAnnotations(pod.Annotations, &pod.Spec, path))
}

// validatePod checks what holds for every pod, new or changed.
func validatePod(pod *v1.Pod) field.ErrorList {
	meta, spec := field.NewPath("metadata"), field.NewPath("spec")
	return slices.Concat(
		validateMeta(&pod.ObjectMeta, true, apivalidation.NameIsDNSSubdomain, meta),
		validatePodAnnotations(pod.Annotations, &pod.Spec, meta.Child("annotations")),
		validatePodSpec(&pod.Spec, &pod.ObjectMeta, spec),
		validateTokenAccount(&pod.Spec, spec.Child("volumes")),
		validateImageSpace(pod.Spec.Containers, spec.Child("containers")),
		validateImageSpace(pod.Spec.InitContainers, spec.Child("initContainers")),
	)
}

// validateTokenAccount checks that a pod without service account asks for no
// token of one.
func validateTokenAccount(spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	if spec.ServiceAccountName != "" {
		return nil
	}
	for i, volume := range spec.Volumes {
		if volume.Projected == nil {
			continue
		}
		for j, source := range volume.Projected.Sources {
			if source.ServiceAccountToken != nil {
				at := path.Index(i).Child("projected", "sources").Index(j).Child("serviceAccountToken")
				errs = append(errs, field.Forbidden(at, "must not be specified when serviceAccountName is not set"))
			}
		}
	}
	return errs
}

// validateImageSpace checks that names of images are not padded. Templates may
// have them so: others replace such names before a pod is made.
func validateImageSpace(containers []v1.Container, path *field.Path) (errs field.ErrorList) {
	for i := range containers {
		errs = append(errs, validateImageTrimmed(containers[i].Image, path.Index(i))...)
	}
	return errs
}

func validateImageTrimmed(image string, path *field.Path) field.ErrorList {
	if len(strings.TrimSpace(image)) == len(image) {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("image"), image, "must not have leading or trailing whitespace")}
}

// ValidatePodBinding checks the assignment of a pod to a node.
func ValidatePodBinding(binding *v1.Binding) (errs field.ErrorList) {
	path := field.NewPath("target")
	if kind := binding.Target.Kind; kind != "" && kind != "Node" {
		errs = append(errs, field.NotSupported(path.Child("kind"), kind, []string{"Node", "<empty>"}))
	}
	return append(errs, required(path.Child("name"), binding.Target.Name, "")...)
}
