package controller_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/record"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/polymorphichelpers"
	"k8s.io/kubectl/pkg/scheme"

	"github.com/lubberline/lubberline/orchestrator/controller"
	"github.com/lubberline/lubberline/orchestrator/controller/controllertest"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

type run func(ctx context.Context) error

func (r run) Run(ctx context.Context) error { return r(ctx) }

// start runs all controllers on a real API server, with one node that starts and
// ends pods at once.
func start(t testing.TB, change ...func(*controller.Options)) *controllertest.Cluster {
	c := controllertest.Start(t)
	o := controller.Options{
		Client: c.Client, Informers: c.Informers, Logger: c.Logger,
		Events: func(string) record.EventRecorder { return &record.FakeRecorder{} },
	}
	for _, f := range change {
		f(&o)
	}
	all, err := controller.All(o)
	require.NoError(t, err)
	runners := []interface{ Run(context.Context) error }{node(t, c)}
	for _, one := range all {
		runners = append(runners, run(one.Run))
	}
	c.Run(t, runners...)
	c.Account(t, "default")
	node, err := c.Client.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	ready := []byte(`{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`)
	_, err = c.Client.CoreV1().Nodes().Patch(t.Context(), node.Name, types.StrategicMergePatchType, ready, metav1.PatchOptions{}, "status")
	require.NoError(t, err)
	return c
}

// node binds, starts and ends pods.
func node(t testing.TB, c *controllertest.Cluster) *reconcile.Loop {
	pods := c.Informers.Core().V1().Pods()
	loop, err := reconcile.New(reconcile.Options{Name: "node", Caches: []reconcile.Cache{pods.Informer()}, Reconcile: func(ctx context.Context, key string) error {
		namespace, name := reconcile.SplitKey(key)
		pod, err := pods.Lister().Pods(namespace).Get(name)
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		return handle(ctx, c, pod)
	}})
	require.NoError(t, err)
	_, err = pods.Informer().AddEventHandler(reconcile.Handler(func(_, current *corev1.Pod) {
		if current != nil {
			loop.Add(reconcile.Key(current))
		}
	}))
	require.NoError(t, err)
	return loop
}

func handle(ctx context.Context, c *controllertest.Cluster, pod *corev1.Pod) error {
	client := c.Client.CoreV1().Pods(pod.Namespace)
	switch {
	case pod.DeletionTimestamp != nil:
		now := int64(0)
		err := client.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	case pod.Spec.NodeName == "":
		return client.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: "node"}}, metav1.CreateOptions{})
	case !podutil.IsReady(pod):
		pod = pod.DeepCopy()
		pod.Status.Phase = corev1.PodRunning
		pod.Status.PodIP, pod.Status.PodIPs = "10.244.0.9", []corev1.PodIP{{IP: "10.244.0.9"}}
		podutil.UpdateCondition(&pod.Status, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue}, time.Now())
		_, err := client.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
		return err
	}
	return nil
}

var app = map[string]string{"app": "a"}

func template(image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
	}
}

func podsOf(t testing.TB, c *controllertest.Cluster) []corev1.Pod {
	list, err := c.Client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: labels.Set(app).String()})
	require.NoError(t, err)
	return list.Items
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, controllertest.Wait, controllertest.Tick, what)
}

func TestReplicationController(t *testing.T) {
	c := start(t)
	client := c.Client.CoreV1().ReplicationControllers("default")
	one := int32(1)
	tmpl := template("image")
	_, err := client.Create(t.Context(), &corev1.ReplicationController{ObjectMeta: metav1.ObjectMeta{Name: "rc"},
		Spec: corev1.ReplicationControllerSpec{Replicas: &one, Selector: app, Template: &tmpl}}, metav1.CreateOptions{})
	require.NoError(t, err)
	ready := func(n int32) func() bool {
		return func() bool {
			rc, err := client.Get(t.Context(), "rc", metav1.GetOptions{})
			return err == nil && rc.Status.ReadyReplicas == n && rc.Status.Replicas == n && rc.Status.AvailableReplicas == n && rc.Status.ObservedGeneration == rc.Generation
		}
	}
	eventually(t, "one pod", ready(1))
	begin := time.Now()
	scale, err := client.GetScale(t.Context(), "rc", metav1.GetOptions{})
	require.NoError(t, err)
	scale.Spec.Replicas = 30
	_, err = client.UpdateScale(t.Context(), "rc", scale, metav1.UpdateOptions{})
	require.NoError(t, err)
	eventually(t, "thirty pods", ready(30))
	t.Logf("1 to 30 took %s", time.Since(begin))
	require.Len(t, podsOf(t, c), 30)

	released := podsOf(t, c)[0]
	_, err = c.Client.CoreV1().Pods("default").Patch(t.Context(), released.Name, types.StrategicMergePatchType, []byte(`{"metadata":{"labels":{"app":"other"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	eventually(t, "the pod is released", func() bool {
		pod, err := c.Client.CoreV1().Pods("default").Get(t.Context(), released.Name, metav1.GetOptions{})
		return err == nil && metav1.GetControllerOf(pod) == nil
	})
	eventually(t, "and replaced", func() bool { return len(podsOf(t, c)) == 30 })
}

func TestReplicaSetAdopts(t *testing.T) {
	c := start(t)
	orphan := c.Pod(t, "default", "orphan", func(p *corev1.Pod) { p.Labels = app })
	two := int32(2)
	rs, err := c.Client.AppsV1().ReplicaSets("default").Create(t.Context(), &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "rs"},
		Spec: appsv1.ReplicaSetSpec{Replicas: &two, Selector: &metav1.LabelSelector{MatchLabels: app}, Template: template("image")}}, metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, "the orphan is adopted and one made", func() bool {
		pod, err := c.Client.CoreV1().Pods("default").Get(t.Context(), orphan.Name, metav1.GetOptions{})
		return err == nil && metav1.IsControlledBy(pod, rs) && len(podsOf(t, c)) == 2
	})
}

func TestDeployment(t *testing.T) {
	c := start(t)
	client := c.Client.AppsV1().Deployments("default")
	three := int32(3)
	_, err := client.Create(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "d"},
		Spec: appsv1.DeploymentSpec{Replicas: &three, Selector: &metav1.LabelSelector{MatchLabels: app}, Template: template("image:1")}}, metav1.CreateOptions{})
	require.NoError(t, err)
	complete := func(revision string) func() bool {
		return func() bool {
			d, err := client.Get(t.Context(), "d", metav1.GetOptions{})
			s := d.Status
			return err == nil && s.ObservedGeneration == d.Generation && s.Replicas == 3 && s.UpdatedReplicas == 3 && s.AvailableReplicas == 3 && d.Annotations["deployment.kubernetes.io/revision"] == revision
		}
	}
	eventually(t, "first roll-out", complete("1"))
	patch := func(image string) {
		_, err := client.Patch(t.Context(), "d", types.StrategicMergePatchType, fmt.Appendf(nil, `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":%q}]}}}}`, image), metav1.PatchOptions{})
		require.NoError(t, err)
	}
	patch("image:2")
	eventually(t, "second roll-out", complete("2"))
	for _, pod := range podsOf(t, c) {
		require.True(t, pod.DeletionTimestamp != nil || pod.Spec.Containers[0].Image == "image:2")
	}
	patch("image:1")
	eventually(t, "back to the first", complete("3"))
	sets, err := c.Client.AppsV1().ReplicaSets("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, sets.Items, 2)
}

func TestDaemonSet(t *testing.T) {
	c := start(t)
	client := c.Client.AppsV1().DaemonSets("default")
	_, err := client.Create(t.Context(), &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "d"},
		Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: app}, Template: template("image:1")}}, metav1.CreateOptions{})
	require.NoError(t, err)
	updated := func() bool {
		ds, err := client.Get(t.Context(), "d", metav1.GetOptions{})
		return err == nil && ds.Status.ObservedGeneration == ds.Generation && ds.Status.NumberAvailable == 1 && ds.Status.UpdatedNumberScheduled == 1 && ds.Status.DesiredNumberScheduled == 1
	}
	eventually(t, "one pod", updated)
	first := podsOf(t, c)
	require.Len(t, first, 1)
	require.NotEmpty(t, first[0].Labels["controller-revision-hash"])
	_, err = client.Patch(t.Context(), "d", types.StrategicMergePatchType, []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"image:2"}]}}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	eventually(t, "the pod is replaced", func() bool {
		pods := podsOf(t, c)
		return updated() && len(pods) == 1 && pods[0].UID != first[0].UID && pods[0].Spec.Containers[0].Image == "image:2"
	})
	revisions, err := c.Client.AppsV1().ControllerRevisions("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, revisions.Items, 2)
	require.NoError(t, client.Delete(t.Context(), "d", metav1.DeleteOptions{}))
}

// TestRolloutCommands uses what kubectl rollout is made of.
func TestRolloutCommands(t *testing.T) {
	c := start(t)
	_, err := c.Client.AppsV1().Deployments("default").Create(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "x"},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: app}, Template: template("image:1")}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = c.Client.AppsV1().DaemonSets("default").Create(t.Context(), &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "x"},
		Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "b"}}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "b"}}, Spec: template("image:1").Spec}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	client := dynamic.NewForConfigOrDie(c.Server.ClientConfig("admin", "system:masters"))
	for _, kind := range []string{"Deployment", "DaemonSet"} {
		t.Run(kind, func(t *testing.T) {
			r := rollout{t, c, client.Resource(appsv1.SchemeGroupVersion.WithResource(strings.ToLower(kind) + "s")).Namespace("default"), appsv1.SchemeGroupVersion.WithKind(kind)}
			r.awaitDone()
			r.setImage("image:2")
			r.awaitDone()
			history, err := r.viewer().ViewHistory("default", "x", 0)
			require.NoError(t, err)
			require.Contains(t, history, "1         <none>\n2         <none>")
			undo, err := polymorphichelpers.RollbackerFor(r.kind.GroupKind(), c.Client)
			require.NoError(t, err)
			_, err = undo.Rollback(r.get(), nil, 0, cmdutil.DryRunNone)
			require.NoError(t, err)
			r.awaitDone()
			require.Contains(t, fmt.Sprint(r.unstructured().Object["spec"]), "image:1")
			history, err = r.viewer().ViewHistory("default", "x", 0)
			require.NoError(t, err)
			require.Contains(t, history, "2         <none>\n3         <none>")

			restarted, err := polymorphichelpers.ObjectRestarterFn(r.get())
			require.NoError(t, err)
			_, err = r.client.Patch(t.Context(), "x", types.MergePatchType, restarted, metav1.PatchOptions{})
			require.NoError(t, err)
			r.awaitDone()
		})
	}
}

// rollout is one object that is rolled out.
type rollout struct {
	t      *testing.T
	c      *controllertest.Cluster
	client dynamic.ResourceInterface
	kind   schema.GroupVersionKind
}

func (r rollout) unstructured() *unstructured.Unstructured {
	u, err := r.client.Get(r.t.Context(), "x", metav1.GetOptions{})
	require.NoError(r.t, err)
	return u
}

func (r rollout) get() runtime.Object {
	o, err := scheme.Scheme.New(r.kind)
	require.NoError(r.t, err)
	require.NoError(r.t, runtime.DefaultUnstructuredConverter.FromUnstructured(r.unstructured().Object, o))
	return o
}

func (r rollout) viewer() polymorphichelpers.HistoryViewer {
	v, err := polymorphichelpers.HistoryViewerFor(r.kind.GroupKind(), r.c.Client)
	require.NoError(r.t, err)
	return v
}

func (r rollout) awaitDone() {
	r.t.Helper()
	v, err := polymorphichelpers.StatusViewerFor(r.kind.GroupKind())
	require.NoError(r.t, err)
	eventually(r.t, "the roll-out is done", func() bool {
		_, done, err := v.Status(r.unstructured(), 0)
		return err == nil && done
	})
}

func (r rollout) setImage(image string) {
	patch := fmt.Appendf(nil, `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":%q}]}}}}`, image)
	_, err := r.client.Patch(r.t.Context(), "x", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	require.NoError(r.t, err)
}

func TestPodsLeaveANodeThatIsSilent(t *testing.T) {
	c := start(t, func(o *controller.Options) { o.NodeGracePeriod = time.Second })
	short := int64(1)
	c.Pod(t, "default", "goes", func(p *corev1.Pod) {
		p.Spec.Tolerations = []corev1.Toleration{{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &short}}
	})
	c.Pod(t, "default", "stays", func(p *corev1.Pod) {
		p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	})
	eventually(t, "one goes", func() bool {
		_, err := c.Client.CoreV1().Pods("default").Get(t.Context(), "goes", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	node, err := c.Client.CoreV1().Nodes().Get(t.Context(), "node", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "NodeStatusUnknown", node.Status.Conditions[0].Reason)
	var keys []string
	for _, taint := range node.Spec.Taints {
		keys = append(keys, taint.ToString())
	}
	require.ElementsMatch(t, []string{"node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"}, keys)
	_, err = c.Client.CoreV1().Pods("default").Get(t.Context(), "stays", metav1.GetOptions{})
	require.NoError(t, err)
}

func TestANodeThatIsReadyHasNoTaint(t *testing.T) {
	c := start(t)
	eventually(t, "the taint is removed", func() bool {
		node, err := c.Client.CoreV1().Nodes().Get(t.Context(), "node", metav1.GetOptions{})
		return err == nil && len(node.Spec.Taints) == 0
	})
}

func TestEndpoints(t *testing.T) {
	c := start(t)
	service, err := c.Client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "s"},
		Spec: corev1.ServiceSpec{Selector: app, Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	c.Pod(t, "default", "pod", func(p *corev1.Pod) { p.Labels = app })
	eventually(t, "the pod has an address", func() bool {
		e, err := c.Client.CoreV1().Endpoints("default").Get(t.Context(), "s", metav1.GetOptions{})
		return err == nil && len(e.Subsets) == 1 && len(e.Subsets[0].Addresses) == 1
	})
	eventually(t, "and a slice", func() bool {
		list, err := c.Client.DiscoveryV1().EndpointSlices("default").List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=s"})
		return err == nil && len(list.Items) == 1 && metav1.IsControlledBy(&list.Items[0], service) && len(list.Items[0].Endpoints) == 1 && *list.Items[0].Endpoints[0].Conditions.Ready
	})
	require.NoError(t, c.Client.CoreV1().Services("default").Delete(t.Context(), "s", metav1.DeleteOptions{}))
	eventually(t, "the addresses are gone", func() bool {
		_, err := c.Client.CoreV1().Endpoints("default").Get(t.Context(), "s", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}
