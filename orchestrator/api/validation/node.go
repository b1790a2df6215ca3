package validation

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// ValidateNodeCreate checks a new node. Its status is optional, but what there
// is of it must be right.
func ValidateNodeCreate(n *v1.Node) field.ErrorList {
	meta := field.NewPath("metadata")
	errs := validateMeta(&n.ObjectMeta, false, apivalidation.NameIsDNSSubdomain, meta)
	errs = append(errs, validateNodeTaints(n.Spec.Taints, meta.Child("taints"))...)
	errs = append(errs, validateNodeResources(n)...)
	return append(errs, validatePodCIDRs(n.Spec.PodCIDRs, field.NewPath("spec", "podCIDRs"))...)
}

// ValidateNodeUpdate checks a changed node. Its pod ranges and its provider are
// set once.
func ValidateNodeUpdate(n, old *v1.Node) field.ErrorList {
	meta, spec := field.NewPath("metadata"), field.NewPath("spec")
	errs := validateMetaUpdate(&n.ObjectMeta, &old.ObjectMeta, meta)
	errs = append(errs, validateNodeResources(n)...)
	errs = append(errs, validateNodeAddresses(n)...)
	if len(old.Spec.PodCIDRs) > 0 && !slices.Equal(old.Spec.PodCIDRs, n.Spec.PodCIDRs) {
		errs = append(errs, field.Forbidden(spec.Child("podCIDRs"), `node updates may not change podCIDR except from "" to valid`))
	}
	if old.Spec.ProviderID != "" && old.Spec.ProviderID != n.Spec.ProviderID {
		errs = append(errs, field.Forbidden(spec.Child("providerID"), `node updates may not change providerID except from "" to valid`))
	}
	errs = append(errs, validateNodeTaints(n.Spec.Taints, meta.Child("taints"))...)
	if n.Spec.DoNotUseExternalID != old.Spec.DoNotUseExternalID {
		errs = append(errs, field.Forbidden(spec.Child("externalID"), "may not be updated"))
	}
	return errs
}

func validateNodeTaints(taints []v1.Taint, path *field.Path) (errs field.ErrorList) {
	type identity struct {
		key    string
		effect v1.TaintEffect
	}
	seen := map[identity]bool{}
	for i, t := range taints {
		at := path.Index(i)
		errs = append(errs, metav1validation.ValidateLabelName(t.Key, at.Child("key"))...)
		if messages := validation.IsValidLabelValue(t.Value); len(messages) > 0 {
			errs = append(errs, field.Invalid(at.Child("value"), t.Value, strings.Join(messages, ";")))
		}
		if t.Effect == "" {
			errs = append(errs, field.Required(at.Child("effect"), ""))
		} else if effects := []v1.TaintEffect{v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute}; !slices.Contains(effects, t.Effect) {
			errs = append(errs, field.NotSupported(at.Child("effect"), t.Effect, effects))
		}
		if id := (identity{t.Key, t.Effect}); seen[id] {
			twice := field.Duplicate(at, t)
			twice.Detail = "taints must be unique by key and effect pair"
			errs = append(errs, twice)
		} else {
			seen[id] = true
		}
	}
	return errs
}

func validateNodeResources(n *v1.Node) (errs field.ErrorList) {
	for _, list := range []struct {
		name      string
		resources v1.ResourceList
	}{{"capacity", n.Status.Capacity}, {"allocatable", n.Status.Allocatable}} {
		for _, name := range sortedKeys(list.resources) {
			errs = append(errs, validateResourceQuantity(name, list.resources[name], field.NewPath("status", list.name, string(name)))...)
		}
	}
	return errs
}

func validateNodeAddresses(n *v1.Node) (errs field.ErrorList) {
	seen := map[v1.NodeAddress]bool{}
	for i, a := range n.Status.Addresses {
		if seen[a] {
			errs = append(errs, field.Duplicate(field.NewPath("status", "addresses").Index(i), a))
		}
		seen[a] = true
	}
	return errs
}

func validatePodCIDRs(ranges []string, path *field.Path) (errs field.ErrorList) {
	for i, r := range ranges {
		errs = append(errs, validation.IsValidCIDRForLegacyField(path.Index(i), r, false, nil)...)
	}
	if len(ranges) > 1 {
		if dual, err := netutils.IsDualStackCIDRStrings(ranges); err != nil || !dual || len(ranges) > 2 {
			errs = append(errs, field.Invalid(path, ranges, "may specify no more than one CIDR for each IP family"))
		}
	}
	return errs
}
