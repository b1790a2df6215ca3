package admission

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
)

// defaultServiceAccount is what pods run as that name none.
const defaultServiceAccount = "default"

// serviceAccounts makes pods run as a service account that exists, and gives
// their containers its credentials.
type serviceAccounts struct {
	*admission.Handler
	client kubernetes.Interface
	lister listers.ServiceAccountLister
	// volumeName makes a name with a random ending.
	volumeName func(prefix string) string
}

var (
	_ admission.MutationInterface   = (*serviceAccounts)(nil)
	_ admission.ValidationInterface = (*serviceAccounts)(nil)
)

func newServiceAccounts(o Options) *serviceAccounts {
	informer := o.Informers.Core().V1().ServiceAccounts()
	s := &serviceAccounts{
		Handler:    admission.NewHandler(admission.Create, admission.Update),
		client:     o.Client,
		lister:     informer.Lister(),
		volumeName: names.SimpleNameGenerator.GenerateName,
	}
	s.SetReadyFunc(informer.Informer().HasSynced)
	return s
}

// Admit completes a new pod from its service account.
func (s *serviceAccounts) Admit(ctx context.Context, a admission.Attributes, o admission.ObjectInterfaces) error {
	pod := newPod(a)
	if pod == nil {
		return nil
	}
	// The node knows a mirror pod as it is, and would not know it changed.
	if isMirror(pod) {
		return s.Validate(ctx, a, o)
	}
	setServiceAccountName(pod)
	account, err := s.of(ctx, a, pod)
	if err != nil {
		return err
	}
	if wantsToken(account, pod) {
		mountToken(pod, s.volumeName)
	}
	if len(pod.Spec.ImagePullSecrets) == 0 {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, account.ImagePullSecrets...)
	}
	return nil
}

// setServiceAccountName keeps the name and its old spelling the same.
func setServiceAccountName(pod *corev1.Pod) {
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = pod.Spec.DeprecatedServiceAccount
	}
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = defaultServiceAccount
	}
	pod.Spec.DeprecatedServiceAccount = pod.Spec.ServiceAccountName
}

// wantsToken: what the pod says wins over what its account says.
func wantsToken(account *corev1.ServiceAccount, pod *corev1.Pod) bool {
	for _, automount := range []*bool{pod.Spec.AutomountServiceAccountToken, account.AutomountServiceAccountToken} {
		if automount != nil {
			return *automount
		}
	}
	return true
}

// Validate refuses pods without an account, and secrets that an account must
// not be used with.
func (s *serviceAccounts) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	ephemeral := is(a, "pods", "ephemeralcontainers") && a.GetOperation() == admission.Update
	pod := newPod(a)
	if ephemeral {
		pod, _ = a.GetObject().(*corev1.Pod)
	}
	switch {
	case pod == nil:
		return nil
	case isMirror(pod) && !ephemeral:
		return checkMirror(a, pod)
	case pod.Spec.ServiceAccountName == "":
		return forbid(a, "no service account specified for pod %s/%s", a.GetNamespace(), pod.Name)
	}
	account, err := s.of(ctx, a, pod)
	if err != nil {
		return err
	}
	if !confined(account) {
		return nil
	}
	if err := checkSecrets(account, pod, ephemeral); err != nil {
		return admission.NewForbidden(a, err)
	}
	return nil
}

func (s *serviceAccounts) of(ctx context.Context, a admission.Attributes, pod *corev1.Pod) (*corev1.ServiceAccount, error) {
	if !s.WaitForReady() {
		return nil, forbid(a, "not yet ready to handle request")
	}
	account, err := s.get(ctx, a.GetNamespace(), pod.Spec.ServiceAccountName)
	if err != nil {
		return nil, forbid(a, "error looking up service account %s/%s: %w", a.GetNamespace(), pod.Spec.ServiceAccountName, err)
	}
	return account, nil
}

// get looks in the cache, then asks. The default account of a namespace that
// is being set up is waited for, some two seconds.
func (s *serviceAccounts) get(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
	account, err := s.lister.ServiceAccounts(namespace).Get(name)
	if !apierrors.IsNotFound(err) {
		return account, err
	}
	tries := wait.Backoff{Duration: 10 * time.Millisecond, Factor: 2, Steps: 1}
	if name == defaultServiceAccount {
		tries.Steps = 9
	}
	_ = wait.ExponentialBackoffWithContext(ctx, tries, func(ctx context.Context) (bool, error) {
		account, err = s.client.CoreV1().ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
		return !apierrors.IsNotFound(err), nil
	})
	if apierrors.IsNotFound(err) {
		err = apierrors.NewNotFound(schema.GroupResource{Resource: "serviceaccount"}, name)
	}
	return account, err
}
