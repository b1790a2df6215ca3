package admission

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
)

// chain is the whole admission over objects that are there already.
type chain struct {
	t      *testing.T
	client *fake.Clientset
	all    admission.Interface
}

func newChain(t *testing.T, objects ...runtime.Object) *chain {
	t.Helper()
	objects = append(objects,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "default"}})
	client := fake.NewClientset(objects...)
	factory := informers.NewSharedInformerFactory(client, 0)
	stop := make(chan struct{})
	all, err := New(Options{Client: client, Informers: factory, Stop: stop, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	t.Cleanup(func() {
		close(stop)
		factory.Shutdown()
	})
	return &chain{t, client, all}
}

// request is one request to the core group; the zero User is an administrator.
type request struct {
	resource, subresource string
	operation             admission.Operation
	old, object           runtime.Object
	user                  user.Info
}

func (r request) attributes() admission.Attributes {
	name, namespace, kind := "", "", ""
	for _, o := range []runtime.Object{r.old, r.object} {
		if m, ok := o.(metav1.Object); ok {
			name, namespace = m.GetName(), m.GetNamespace()
		}
	}
	switch r.resource {
	case "pods":
		kind = "Pod"
	case "namespaces":
		kind = "Namespace"
	}
	if r.user == nil {
		r.user = &user.DefaultInfo{Name: "admin", Groups: []string{user.SystemPrivilegedGroup}}
	}
	group := schema.ParseGroupResource(r.resource)
	return admission.NewAttributesRecord(r.object, r.old, schema.GroupVersionKind{Group: group.Group, Version: "v1", Kind: kind},
		namespace, name, group.WithVersion("v1"), r.subresource, r.operation, nil, false, r.user)
}

// ask runs the request through the chain as the API server does.
func (c *chain) ask(r request) error {
	a := r.attributes()
	if err := c.all.(admission.MutationInterface).Admit(c.t.Context(), a, nil); err != nil {
		return err
	}
	return c.all.(admission.ValidationInterface).Validate(c.t.Context(), a, nil)
}

func (c *chain) create(pod *corev1.Pod) error {
	return c.ask(request{resource: "pods", operation: admission.Create, object: pod})
}

func newTestPod(name string, containers ...corev1.Container) *corev1.Pod {
	if containers == nil {
		containers = []corev1.Container{{Name: "c"}}
	}
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}, Spec: corev1.PodSpec{Containers: containers}}
}

func TestNamespaceLifecycle(t *testing.T) {
	c := newChain(t, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: "ending"}, Status: corev1.NamespaceStatus{Phase: corev1.NamespaceTerminating},
	})
	pod := newTestPod("p")
	pod.Namespace = "ending"
	err := c.create(pod)
	require.EqualError(t, err, `pods "p" is forbidden: unable to create new content in namespace ending because it is being terminated`)
	pod.Namespace = "nowhere"
	require.EqualError(t, c.create(pod), `namespaces "nowhere" not found`)
	kubeSystem := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}}
	err = c.ask(request{resource: "namespaces", operation: admission.Delete, old: kubeSystem})
	require.EqualError(t, err, `namespaces "kube-system" is forbidden: this namespace may not be deleted`)
}

func TestOptionsAreChecked(t *testing.T) {
	full := Options{
		Client: fake.NewClientset(), Informers: informers.NewSharedInformerFactory(fake.NewClientset(), 0),
		Stop: make(chan struct{}), Logger: slog.New(slog.DiscardHandler),
	}
	for wanted, change := range map[string]func(*Options){
		"admission: no client":       func(o *Options) { o.Client = nil },
		"admission: no informers":    func(o *Options) { o.Informers = nil },
		"admission: no stop channel": func(o *Options) { o.Stop = nil },
		"admission: no logger":       func(o *Options) { o.Logger = nil },
	} {
		o := full
		change(&o)
		_, err := New(o)
		require.EqualError(t, err, wanted)
	}
}
