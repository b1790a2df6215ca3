package rollingupdate_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"

	"github.com/lubberline/lubberline/orchestrator/controller/controllertest"
	"github.com/lubberline/lubberline/orchestrator/controller/garbagecollector"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/controller/replication"
	"github.com/lubberline/lubberline/orchestrator/podutil"
	"github.com/lubberline/lubberline/orchestrator/rollingupdate"
)

// TestOnTheAPI runs updates against a real API server and its controllers, with
// a node that starts and ends pods at once.
func TestOnTheAPI(t *testing.T) {
	c := start(t)
	t.Run("image", func(t *testing.T) { updateImage(t, newBench(t, c, "image")) })
	t.Run("manifest", func(t *testing.T) { updateByManifest(t, newBench(t, c, "manifest")) })
	t.Run("rollback", func(t *testing.T) { rollBack(t, newBench(t, c, "rollback")) })
	t.Run("stuck", func(t *testing.T) { getStuck(t, newBench(t, c, "stuck")) })
}

func updateImage(t *testing.T, b *bench) {
	request := rollingupdate.Request{Old: "web", Image: "web:2"}
	out := b.run(request)
	rc := b.get("web")
	hash := rc.Spec.Selector["deployment"]
	require.Regexp(t, `^[bcdf-hj-np-tv-xz0-9]{5,10}$`, hash)
	require.Equal(t, map[string]string{"app": "web", "deployment": hash}, rc.Spec.Selector)
	require.Equal(t, rc.Spec.Selector, rc.Spec.Template.Labels)
	require.Equal(t, map[string]string{"team": "shop"}, rc.Labels)
	require.Equal(t, map[string]string{"note": "kept"}, rc.Annotations)
	require.Equal(t, int32(3), *rc.Spec.Replicas)
	next := "web-" + hash
	for _, pod := range b.pods() {
		require.Equal(t, "web:2", pod.Spec.Containers[0].Image)
		require.True(t, strings.HasPrefix(pod.Name, next+"-"), "the pods that were started are kept: %s", pod.Name)
	}
	require.Len(t, b.pods(), 3)
	var steps []string
	for line := range strings.Lines(out) {
		if line = strings.TrimRight(line, "\n"); !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "Labelling") && !strings.HasPrefix(line, "Selecting") {
			steps = append(steps, strings.ReplaceAll(line, next, "NEXT"))
		}
	}
	require.Equal(t, []string{
		"Marking web as replaced by NEXT", "Created NEXT",
		"Scaling up NEXT from 0 to 3, scaling down web from 3 to 0 (keep 3 pods available, don't exceed 4 pods)",
		"Scaling NEXT up to 1", "Scaling web down to 2", "Scaling NEXT up to 2", "Scaling web down to 1", "Scaling NEXT up to 3", "Scaling web down to 0",
		"Update succeeded. Deleting web", "Renaming NEXT to web",
	}, steps)
	require.Contains(t, out, "50%  "+next+": 2 of 3 ready; web: 2 left, 2 ready")

	_, err := b.try(t.Context(), request, b.options())
	require.ErrorContains(t, err, "--image-pull-policy (Always|Never|IfNotPresent) must be provided")
	request.PullPolicy = corev1.PullNever
	b.run(request)
	require.NotEqual(t, hash, b.get("web").Spec.Selector["deployment"])
	require.Equal(t, corev1.PullNever, b.get("web").Spec.Template.Spec.Containers[0].ImagePullPolicy)
}

func updateByManifest(t *testing.T, b *bench) {
	manifest := controller("web-2", "web:2", map[string]string{"app": "web-2"}, 4)
	b.run(rollingupdate.Request{Old: "web", Manifest: manifest})
	_, err := b.client().Get(t.Context(), "web", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
	rc := b.get("web-2")
	require.Equal(t, int32(4), *rc.Spec.Replicas)
	require.Equal(t, map[string]string{"note": "kept"}, rc.Annotations)
	require.Equal(t, map[string]string{"app": "web-2"}, rc.Spec.Selector)
}

// rollBack interrupts an update, looks at what it left, and takes it back.
func rollBack(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(t.Context())
	options := b.options()
	options.Out = &watcher{text: "Scaling web down to 1", found: cancel}
	_, err := b.try(ctx, rollingupdate.Request{Old: "web", New: "web-2", Image: "web:2"}, options)
	require.ErrorIs(t, err, context.Canceled)
	old, next := b.get("web"), b.get("web-2")
	require.Equal(t, "web-2", old.Annotations["kubectl.kubernetes.io/next-controller-id"])
	require.Equal(t, "3", old.Annotations["kubectl.kubernetes.io/original-replicas"])
	require.Equal(t, "web:"+string(old.UID), next.Annotations["kubectl.kubernetes.io/update-source-id"])
	require.Equal(t, "3", next.Annotations["kubectl.kubernetes.io/desired-replicas"])

	_, err = b.try(t.Context(), rollingupdate.Request{Old: "web", New: "web-2", Image: "web:3"}, b.options())
	require.EqualError(t, err, "found existing in-progress update to image (web:2): either continue in-progress update with --image=web:2 or rollback with --rollback")

	out := b.run(rollingupdate.Request{Old: "web", Rollback: true})
	require.Contains(t, out, `Setting "web" replicas to 3`)
	require.Equal(t, old.UID, b.get("web").UID)
	require.Equal(t, map[string]string{"note": "kept"}, b.get("web").Annotations)
	_, err = b.client().Get(t.Context(), "web-2", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err))
	_, err = b.try(t.Context(), rollingupdate.Request{Old: "web", Rollback: true}, b.options())
	require.EqualError(t, err, "could not find an update of web to rollback")
}

// getStuck has an image that never runs.
func getStuck(t *testing.T, b *bench) {
	options := b.options()
	options.Timeout = 100 * time.Millisecond
	_, err := b.try(t.Context(), rollingupdate.Request{Old: "web", Image: "broken"}, options)
	require.ErrorContains(t, err, "timed out waiting for any update progress to be made: waiting for web-")
	require.ErrorContains(t, err, "to have 1 pods available, 0 are (web-")
	require.ErrorContains(t, err, "ImagePullBackOff: no such image)")
	ready := 0
	for _, pod := range b.pods() {
		if podutil.IsReady(&pod) {
			ready++
		}
	}
	require.Equal(t, 3, ready, "all old pods go on")
	b.run(rollingupdate.Request{Old: "web", Rollback: true})
	require.Equal(t, "web:1", b.get("web").Spec.Template.Spec.Containers[0].Image)
}

// watcher is told lines and calls a function at one of them.
type watcher struct {
	bytes.Buffer
	text  string
	found func()
}

func (w *watcher) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.found()
	}
	return w.Buffer.Write(p)
}

// bench is a namespace with a controller of three ready pods.
type bench struct {
	*controllertest.Cluster
	t  *testing.T
	ns string
}

func newBench(t *testing.T, c *controllertest.Cluster, ns string) *bench {
	b := &bench{Cluster: c, t: t, ns: ns}
	c.Namespace(t, ns)
	c.Account(t, ns)
	rc := controller("web", "web:1", map[string]string{"app": "web"}, 3)
	_, err := b.client().Create(t.Context(), rc, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return b.get("web").Status.ReadyReplicas == 3 }, controllertest.Wait, controllertest.Tick)
	return b
}

func controller(name, image string, labels map[string]string, replicas int32) *corev1.ReplicationController {
	return &corev1.ReplicationController{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": "shop"}, Annotations: map[string]string{"note": "kept"}},
		Spec: corev1.ReplicationControllerSpec{Replicas: &replicas, Selector: labels, Template: &corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
		}},
	}
}

func (b *bench) client() interface {
	Get(context.Context, string, metav1.GetOptions) (*corev1.ReplicationController, error)
	Create(context.Context, *corev1.ReplicationController, metav1.CreateOptions) (*corev1.ReplicationController, error)
} {
	return b.Client.CoreV1().ReplicationControllers(b.ns)
}

func (b *bench) get(name string) *corev1.ReplicationController {
	b.t.Helper()
	rc, err := b.client().Get(b.t.Context(), name, metav1.GetOptions{})
	require.NoError(b.t, err)
	return rc
}

// pods are those that are not on their way out.
func (b *bench) pods() []corev1.Pod {
	list, err := b.Client.CoreV1().Pods(b.ns).List(b.t.Context(), metav1.ListOptions{})
	require.NoError(b.t, err)
	var pods []corev1.Pod
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			pods = append(pods, pod)
		}
	}
	return pods
}

func (b *bench) options() rollingupdate.Options {
	return rollingupdate.Options{Client: b.Client, Namespace: b.ns, Out: &bytes.Buffer{}, Period: time.Millisecond, Interval: 20 * time.Millisecond, Timeout: time.Minute}
}

func (b *bench) try(ctx context.Context, request rollingupdate.Request, options rollingupdate.Options) (string, error) {
	request.Namespace, request.Key = b.ns, rollingupdate.DefaultKey
	if err := request.Validate(); err != nil {
		return "", err
	}
	plan, err := rollingupdate.Resolve(ctx, b.Client, request)
	if err != nil {
		return "", err
	}
	options.Plan = plan
	err = rollingupdate.New(options).Run(ctx)
	if out, ok := options.Out.(*bytes.Buffer); ok {
		return out.String(), err
	}
	return "", err
}

func (b *bench) run(request rollingupdate.Request) string {
	b.t.Helper()
	out, err := b.try(b.t.Context(), request, b.options())
	require.NoError(b.t, err, out)
	return out
}

func start(t *testing.T) *controllertest.Cluster {
	c := controllertest.Start(t)
	rcs, err := replication.NewReplicationControllers(replication.Options{Client: c.Client, Informers: c.Informers, Events: &record.FakeRecorder{}, Logger: c.Logger})
	require.NoError(t, err)
	gc, err := garbagecollector.New(garbagecollector.Options{Metadata: c.Metadata, Objects: c.Objects, Logger: c.Logger})
	require.NoError(t, err)
	c.Run(t, rcs, gc, node(t, c))
	_, err = c.Client.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	return c
}

// node binds, starts and ends pods.
func node(t *testing.T, c *controllertest.Cluster) *reconcile.Loop {
	pods := c.Informers.Core().V1().Pods()
	loop, err := reconcile.New(reconcile.Options{Name: "node", Caches: []reconcile.Cache{pods.Informer()}, Reconcile: func(ctx context.Context, key string) error {
		namespace, name := reconcile.SplitKey(key)
		pod, err := pods.Lister().Pods(namespace).Get(name)
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		return drive(ctx, c, pod.DeepCopy())
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

func drive(ctx context.Context, c *controllertest.Cluster, pod *corev1.Pod) error {
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
	case pod.Status.Phase == corev1.PodRunning || len(pod.Status.ContainerStatuses) > 0:
		return nil
	case pod.Spec.Containers[0].Image == "broken":
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}
	default:
		pod.Status.Phase = corev1.PodRunning
		pod.Status.PodIP, pod.Status.PodIPs = "10.244.0.9", []corev1.PodIP{{IP: "10.244.0.9"}}
		podutil.UpdateCondition(&pod.Status, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue}, time.Now())
	}
	_, err := client.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}
