// Package quota says what an object counts for in a ResourceQuota. It is
// shared by admission, which charges a new object before it is stored, and by
// the quota controller, which counts everything again; both must agree on the
// figure to the byte.
package quota

import (
	"fmt"

	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	quotav1 "k8s.io/apiserver/pkg/quota/v1"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/utils/clock"
)

// Evaluators returns the evaluators of all kinds that count for more than
// their number. lister gives the objects for a recount; it may be nil where
// only single objects are evaluated. Every other kind is counted as
// count/<resource>.<group> by CountOf.
func Evaluators(lister quotav1.ListerForResourceFunc, clock clock.PassiveClock) []quotav1.Evaluator {
	all := []quotav1.Evaluator{pods(lister, clock), services(lister), claims(lister)}
	for _, a := range aliases() {
		list := generic.ListResourceUsingListerFunc(lister, corev1.SchemeGroupVersion.WithResource(a.resource))
		all = append(all, generic.NewObjectCountEvaluator(schema.GroupResource{Resource: a.resource}, list, a.alias))
	}
	return all
}

// CountOf returns the evaluator that counts the objects of one resource.
func CountOf(lister quotav1.ListerForResourceFunc, gvr schema.GroupVersionResource) quotav1.Evaluator {
	return generic.NewObjectCountEvaluator(gvr.GroupResource(), generic.ListResourceUsingListerFunc(lister, gvr), "")
}

// Ignored returns the resources that no quota counts: those that are not
// stored, and events.
func Ignored() map[schema.GroupResource]struct{} {
	return map[schema.GroupResource]struct{}{
		{Resource: "bindings"}:                                                  {},
		{Resource: "componentstatuses"}:                                         {},
		{Resource: "events"}:                                                    {},
		{Group: eventsv1.GroupName, Resource: "events"}:                         {},
		{Group: authentication.GroupName, Resource: "tokenreviews"}:             {},
		{Group: authentication.GroupName, Resource: "selfsubjectreviews"}:       {},
		{Group: authorization.GroupName, Resource: "subjectaccessreviews"}:      {},
		{Group: authorization.GroupName, Resource: "selfsubjectaccessreviews"}:  {},
		{Group: authorization.GroupName, Resource: "localsubjectaccessreviews"}: {},
		{Group: authorization.GroupName, Resource: "selfsubjectrulesreviews"}:   {},
	}
}

type alias struct {
	resource string
	alias    corev1.ResourceName
}

// aliases are the kinds that quotas could count before count/… existed.
func aliases() []alias {
	return []alias{
		{"configmaps", corev1.ResourceConfigMaps},
		{"resourcequotas", corev1.ResourceQuotas},
		{"replicationcontrollers", corev1.ResourceReplicationControllers},
		{"secrets", corev1.ResourceSecrets},
	}
}

// evaluator is the part common to the kinds with figures of their own.
type evaluator struct {
	resource schema.GroupResource
	list     generic.ListFuncByNamespace
	// handles tells the requests that can change usage.
	handles func(admission.Attributes) bool
	// names picks the quota's resources that this kind is charged for.
	names func([]corev1.ResourceName) []corev1.ResourceName
	// inScope tells whether the object is in a scope of the quota.
	inScope generic.MatchesScopeFunc
	usage   generic.UsageFunc
	// constraints may be nil.
	constraints func(required []corev1.ResourceName, item runtime.Object) error
}

var _ quotav1.Evaluator = (*evaluator)(nil)

func newEvaluator(lister quotav1.ListerForResourceFunc, resource string) *evaluator {
	gvr := corev1.SchemeGroupVersion.WithResource(resource)
	return &evaluator{
		resource: gvr.GroupResource(),
		list:     generic.ListResourceUsingListerFunc(lister, gvr),
		inScope:  generic.MatchesNoScopeFunc,
	}
}

func (e *evaluator) GroupResource() schema.GroupResource { return e.resource }

func (e *evaluator) Handles(a admission.Attributes) bool { return e.handles(a) }

func (e *evaluator) Constraints(required []corev1.ResourceName, item runtime.Object) error {
	if e.constraints == nil {
		return nil
	}
	return e.constraints(required, item)
}

func (e *evaluator) Matches(q *corev1.ResourceQuota, item runtime.Object) (bool, error) {
	return generic.Matches(q, item, e.names, e.inScope)
}

func (e *evaluator) MatchingResources(input []corev1.ResourceName) []corev1.ResourceName {
	return e.names(input)
}

func (e *evaluator) MatchingScopes(item runtime.Object, scopes []corev1.ScopedResourceSelectorRequirement) ([]corev1.ScopedResourceSelectorRequirement, error) {
	matched := []corev1.ScopedResourceSelectorRequirement{}
	for _, s := range scopes {
		in, err := e.inScope(s, item)
		if err != nil {
			return nil, fmt.Errorf("error on matching scope %v: %w", s, err)
		}
		if in {
			matched = append(matched, s)
		}
	}
	return matched, nil
}

// UncoveredQuotaScopes is for scopes that an administrator limits by
// configuration; this program has no such configuration.
func (e *evaluator) UncoveredQuotaScopes(limited, matched []corev1.ScopedResourceSelectorRequirement) ([]corev1.ScopedResourceSelectorRequirement, error) {
	covered := map[corev1.ResourceQuotaScope]bool{}
	for _, m := range matched {
		covered[m.ScopeName] = true
	}
	uncovered := []corev1.ScopedResourceSelectorRequirement{}
	for _, l := range limited {
		if !covered[l.ScopeName] {
			uncovered = append(uncovered, l)
		}
	}
	return uncovered, nil
}

func (e *evaluator) Usage(item runtime.Object) (corev1.ResourceList, error) { return e.usage(item) }

func (e *evaluator) UsageStats(o quotav1.UsageStatsOptions) (quotav1.UsageStats, error) {
	return generic.CalculateUsageStats(o, e.list, e.inScope, e.usage)
}

func unexpected(want string, got runtime.Object) error {
	return fmt.Errorf("quota: expected a %s, got %T", want, got)
}
