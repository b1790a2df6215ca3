package admission

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/scheduling/v1"
	"k8s.io/utils/ptr"
)

// Priorities above this are for the classes that every cluster has.
const systemCriticalPriority = 2_000_000_000

// SystemPriorityClasses returns the classes that every cluster has. The server
// stores them at its start; pods may name them before that.
func SystemPriorityClasses() []*schedulingv1.PriorityClass {
	class := func(name string, value int32, description string) *schedulingv1.PriorityClass {
		return &schedulingv1.PriorityClass{
			ObjectMeta:       metav1.ObjectMeta{Name: name},
			Value:            value,
			Description:      description,
			PreemptionPolicy: ptr.To(corev1.PreemptLowerPriority),
		}
	}
	return []*schedulingv1.PriorityClass{
		class("system-node-critical", systemCriticalPriority+1000, "Used for system critical pods that must not be moved from their current node."),
		class("system-cluster-critical", systemCriticalPriority, "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."),
	}
}

// priorities turns a pod's priority class into its priority.
type priorities struct {
	*admission.Handler
	client kubernetes.Interface
	lister listers.PriorityClassLister
}

var (
	_ admission.MutationInterface   = (*priorities)(nil)
	_ admission.ValidationInterface = (*priorities)(nil)
)

func newPriorities(o Options) *priorities {
	informer := o.Informers.Scheduling().V1().PriorityClasses()
	p := &priorities{
		Handler: admission.NewHandler(admission.Create, admission.Update),
		client:  o.Client,
		lister:  informer.Lister(),
	}
	p.SetReadyFunc(informer.Informer().HasSynced)
	return p
}

// Admit sets a new pod's priority and keeps it through updates that leave it
// out.
func (p *priorities) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if !is(a, "pods", "") {
		return nil
	}
	pod, ok := a.GetObject().(*corev1.Pod)
	if !ok {
		return apierrors.NewBadRequest("resource was marked with kind Pod but was unable to be converted")
	}
	if a.GetOperation() == admission.Create {
		return p.resolve(ctx, a, pod)
	}
	if old, ok := a.GetOldObject().(*corev1.Pod); ok {
		keepPriority(old, pod)
	}
	return nil
}

func keepPriority(old, pod *corev1.Pod) {
	if pod.Spec.Priority == nil {
		pod.Spec.Priority = old.Spec.Priority
	}
	if pod.Spec.PreemptionPolicy == nil {
		pod.Spec.PreemptionPolicy = old.Spec.PreemptionPolicy
	}
}

func (p *priorities) resolve(ctx context.Context, a admission.Attributes, pod *corev1.Pod) error {
	class, err := p.classOf(ctx, a, pod)
	if err != nil {
		return err
	}
	pod.Spec.PriorityClassName = class.Name
	if given := pod.Spec.Priority; given != nil && *given != class.Value {
		return forbid(a, "the integer value of priority (%d) must not be provided in pod spec; priority admission controller computed %d from the given PriorityClass name", *given, class.Value)
	}
	pod.Spec.Priority = ptr.To(class.Value)
	if class.PreemptionPolicy == nil {
		return nil
	}
	if given := pod.Spec.PreemptionPolicy; given != nil && *given != *class.PreemptionPolicy {
		return forbid(a, "the string value of PreemptionPolicy (%s) must not be provided in pod spec; priority admission controller computed %s from the given PriorityClass name", *given, *class.PreemptionPolicy)
	}
	pod.Spec.PreemptionPolicy = ptr.To(*class.PreemptionPolicy)
	return nil
}

func (p *priorities) classOf(ctx context.Context, a admission.Attributes, pod *corev1.Pod) (*schedulingv1.PriorityClass, error) {
	name := pod.Spec.PriorityClassName
	for _, class := range SystemPriorityClasses() {
		if class.Name == name {
			return class, nil
		}
	}
	if !p.WaitForReady() {
		return nil, forbid(a, "not yet ready to handle request")
	}
	if name == "" {
		return p.defaultClass()
	}
	class, err := p.lister.Get(name)
	if apierrors.IsNotFound(err) { // or created a moment ago
		class, err = p.client.SchedulingV1().PriorityClasses().Get(ctx, name, metav1.GetOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil, forbid(a, "no PriorityClass with name %v was found", name)
	}
	if err != nil {
		return nil, fmt.Errorf("failed to get PriorityClass with name %s: %w", name, err)
	}
	return class, nil
}

// defaultClass is the class that is marked as default, or one without a name.
func (p *priorities) defaultClass() (*schedulingv1.PriorityClass, error) {
	class, err := p.marked()
	if class == nil && err == nil {
		class = &schedulingv1.PriorityClass{PreemptionPolicy: ptr.To(corev1.PreemptLowerPriority)}
	}
	return class, err
}

// marked is the class marked as default; of several that slipped in at the
// same time the lowest.
func (p *priorities) marked() (*schedulingv1.PriorityClass, error) {
	classes, err := p.lister.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("failed to get default priority class: %w", err)
	}
	var lowest *schedulingv1.PriorityClass
	for _, c := range classes {
		if c.GlobalDefault && (lowest == nil || c.Value < lowest.Value) {
			lowest = c
		}
	}
	return lowest, nil
}

// Validate refuses a second default class.
func (p *priorities) Validate(_ context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() != (schema.GroupResource{Group: schedulingv1.GroupName, Resource: "priorityclasses"}) {
		return nil
	}
	class, ok := a.GetObject().(*schedulingv1.PriorityClass)
	if !ok || !class.GlobalDefault {
		return nil
	}
	if !p.WaitForReady() {
		return forbid(a, "not yet ready to handle request")
	}
	other, err := p.marked()
	if err != nil {
		return err
	}
	if other != nil && (a.GetOperation() == admission.Create || other.Name != class.Name) {
		return forbid(a, "PriorityClass %v is already marked as default. Only one default can exist", other.Name)
	}
	return nil
}
