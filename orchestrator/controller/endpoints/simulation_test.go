package endpoints

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lubberline/lubberline/orchestrator/controller/simtest"
)

// TestSimulation changes services, pods and Endpoints written by hand in random
// orders, with old caches and failures, and checks:
//   - NeverTooLarge: no slice has more endpoints than the maximum;
//   - OnlyOwn: Endpoints and slices of others are not touched;
//   - Converged: in the end every selected pod is in exactly one slice, with its
//     state, and in the Endpoints object; slices of nothing are gone;
//   - Quiet: what is as it should be is not written again.
func TestSimulation(t *testing.T) {
	const runs = 250
	t.Attr("runs", fmt.Sprint(runs))
	for seed := range uint64(runs) {
		newSimulation(t, seed).run()
	}
}

type simulation struct {
	*simtest.World
	c    *Controller
	t    *testing.T
	seed uint64
	pods int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{World: simtest.New(seed), t: t, seed: seed}
	s.Faults = simtest.Faults{Refused: .1 * s.Rand.Float64(), Lost: .1 * s.Rand.Float64(), Conflict: .2 * s.Rand.Float64()}
	c, err := New(Options{Client: s.Client(), Informers: s.Informers(), Events: s.Events(), Clock: s.Clock})
	require.NoError(t, err)
	c.max = 3
	s.c, s.Loops = c, c.Loops()
	s.API.OnWrite = s.check
	return s
}

func (s *simulation) require(ok bool, format string, args ...any) {
	s.t.Helper()
	require.True(s.t, ok, "seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

func (s *simulation) run() {
	for _, o := range []simtest.Object{
		&discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "foreign", Labels: map[string]string{discoveryv1.LabelServiceName: "a", discoveryv1.LabelManagedBy: "someone"}}},
		&corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "foreign"}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node", Labels: map[string]string{corev1.LabelTopologyZone: "zone"}}},
	} {
		_, err := s.API.Create(o)
		require.NoError(s.t, err)
	}
	for range 400 {
		if s.Chance(.15) {
			s.disturb()
		}
		s.Step(s.t.Context())
	}
	s.require(s.Settle(s.t.Context(), time.Hour, s.collect), "Converged: still busy")
	for _, service := range simtest.List[*corev1.Service](s.API) {
		s.checkService(service)
	}
	s.checkLeftovers()
	s.checkQuiet()
}

func (s *simulation) disturb() {
	name := []string{"a", "b"}[s.Rand.IntN(2)]
	switch s.Rand.IntN(10) {
	case 0:
		_, _ = s.API.Create(s.service(name))
	case 1:
		if o := simtest.Get[*corev1.Service](s.API, "ns", name); o != nil && s.Chance(.3) {
			s.API.End(o)
		}
	case 2:
		changed := s.service(name)
		simtest.Change(s.API, "ns", name, func(o *corev1.Service) { o.Spec, o.Labels = changed.Spec, changed.Labels })
	case 3:
		_, _ = s.API.Create(&corev1.Endpoints{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Subsets: []corev1.EndpointSubset{s.subset()}})
	case 4:
		simtest.Change(s.API, "ns", name, func(o *corev1.Endpoints) {
			if service := simtest.Get[*corev1.Service](s.API, "ns", name); service != nil && service.Spec.Selector == nil {
				o.Subsets = []corev1.EndpointSubset{s.subset()}
			}
		})
	case 5, 6:
		s.addPod(name)
	default:
		s.changePod()
	}
}

// collect does what the garbage collector does for slices whose owner is gone.
func (s *simulation) collect() bool {
	for _, slice := range simtest.List[*discoveryv1.EndpointSlice](s.API) {
		owner := metav1.GetControllerOf(slice)
		if owner == nil {
			continue
		}
		var lives bool
		if owner.Kind == "Service" {
			o := simtest.Get[*corev1.Service](s.API, "ns", owner.Name)
			lives = o != nil && o.UID == owner.UID
		} else {
			o := simtest.Get[*corev1.Endpoints](s.API, "ns", owner.Name)
			lives = o != nil && o.UID == owner.UID
		}
		if !lives {
			s.API.End(slice)
			return true
		}
	}
	return false
}

func (s *simulation) service(name string) *corev1.Service {
	o := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{"note": fmt.Sprint(s.Rand.IntN(2))}},
		Spec: corev1.ServiceSpec{
			ClusterIP: []string{"10.96.0.7", corev1.ClusterIPNone}[s.Rand.IntN(2)], PublishNotReadyAddresses: s.Chance(.3),
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString("web")}, {Name: "fixed", Port: 443, Protocol: corev1.ProtocolTCP}}[:1+s.Rand.IntN(2)],
		},
	}
	if s.Chance(.75) {
		o.Spec.Selector = map[string]string{"app": name}
	}
	return o
}

func (s *simulation) subset() corev1.EndpointSubset {
	address := func() []corev1.EndpointAddress {
		return []corev1.EndpointAddress{{IP: fmt.Sprint("192.0.2.", s.Rand.IntN(9))}}
	}
	return corev1.EndpointSubset{Addresses: address(), NotReadyAddresses: address()[:s.Rand.IntN(2)], Ports: []corev1.EndpointPort{{Name: "x", Port: int32(80 + s.Rand.IntN(2)), Protocol: corev1.ProtocolTCP}}}
}

func (s *simulation) addPod(app string) {
	s.pods++
	ports := []corev1.ContainerPort{{Name: "web", ContainerPort: int32(8080 + s.Rand.IntN(2)), Protocol: corev1.ProtocolTCP}}
	pod, err := s.API.Create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint("pod-", s.pods), Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Ports: ports}}},
	})
	require.NoError(s.t, err)
	ip := fmt.Sprintf("10.244.%d.%d", s.pods/250, s.pods%250)
	simtest.Change(s.API, "ns", pod.GetName(), func(p *corev1.Pod) { p.Status.PodIPs, p.Status.PodIP = []corev1.PodIP{{IP: ip}}, ip })
}

func (s *simulation) changePod() {
	pods := s.Pods()
	if len(pods) == 0 {
		return
	}
	switch pod := pods[s.Rand.IntN(len(pods))]; s.Rand.IntN(8) {
	case 0:
		s.Fail(pod)
	case 1:
		_ = s.API.Delete(pod, nil)
	case 2:
		s.API.End(pod)
	case 3:
		simtest.Change(s.API, "ns", pod.Name, func(p *corev1.Pod) {
			p.Labels = map[string]string{"app": []string{"a", "b", "c"}[s.Rand.IntN(3)]}
		})
	default:
		ip := pod.Status.PodIP
		s.SetReady(pod, s.Chance(.7))
		simtest.Change(s.API, "ns", pod.Name, func(p *corev1.Pod) { p.Status.PodIP = ip })
	}
}

func (s *simulation) check(w simtest.Write) {
	if slice, ok := w.Current.(*discoveryv1.EndpointSlice); ok && slice.Labels[discoveryv1.LabelManagedBy] == sliceManager {
		s.require(len(slice.Endpoints) <= 3, "NeverTooLarge: %d endpoints", len(slice.Endpoints))
	}
	s.require(!w.ByController || w.Old == nil || w.Old.GetName() != "foreign", "OnlyOwn: %v", w.Old)
}

func (s *simulation) checkService(service *corev1.Service) {
	if service.Spec.Selector == nil {
		s.checkMirror(service)
		return
	}
	found := map[string]discoveryv1.Endpoint{}
	all := s.slicesOf(service.Name, sliceManager)
	s.require(len(all) > 0, "Converged: %s has no slice", service.Name)
	for _, slice := range all {
		s.require(maps.Equal(slice.Labels, sliceLabels(service)), "Converged: labels %v", slice.Labels)
		s.require(len(slice.Endpoints) > 0 || len(all) == 1, "Converged: %s is empty", slice.Name)
		for _, e := range slice.Endpoints {
			_, twice := found[e.TargetRef.Name]
			s.require(!twice, "Converged: %s is in two slices", e.TargetRef.Name)
			found[e.TargetRef.Name] = e
			pod := simtest.Get[*corev1.Pod](s.API, "ns", e.TargetRef.Name)
			s.require(pod != nil && portsKey(portsOf(pod, service)) == groupOf(slice)[len("IPv4 "):], "Converged: ports of %s", e.TargetRef.Name)
		}
	}
	var selected []*corev1.Pod
	for _, pod := range s.Pods() {
		if pod.Labels["app"] == service.Name && canServe(pod) {
			selected = append(selected, pod)
			s.require(fmt.Sprint(found[pod.Name].Conditions) != "" && *found[pod.Name].Conditions.Serving == *s.c.endpoint(service, pod, "").Conditions.Serving, "Converged: state of %s", pod.Name)
			s.require(*found[pod.Name].Conditions.Ready == *s.c.endpoint(service, pod, "").Conditions.Ready, "Converged: state of %s", pod.Name)
		}
	}
	s.require(len(found) == len(selected), "Converged: %d endpoints of %d pods", len(found), len(selected))
	object := simtest.Get[*corev1.Endpoints](s.API, "ns", service.Name)
	s.require(object != nil, "Converged: no Endpoints of %s", service.Name)
	require.Equal(s.t, subsets(service, selected), object.Subsets, "seed %d", s.seed)
}

func (s *simulation) slicesOf(service, manager string) []*discoveryv1.EndpointSlice {
	return slices.DeleteFunc(simtest.List[*discoveryv1.EndpointSlice](s.API), func(e *discoveryv1.EndpointSlice) bool {
		return e.Labels[discoveryv1.LabelServiceName] != service || e.Labels[discoveryv1.LabelManagedBy] != manager
	})
}

func (s *simulation) checkMirror(service *corev1.Service) {
	object := simtest.Get[*corev1.Endpoints](s.API, "ns", service.Name)
	if object == nil {
		s.require(len(s.slicesOf(service.Name, mirrorManager)) == 0, "Converged: mirrored nothing")
		return
	}
	want, got := map[string]bool{}, map[string]bool{}
	for _, g := range mirrored(object) {
		for _, e := range g.endpoints {
			want[g.key()+e.Addresses[0]] = true
		}
	}
	for _, slice := range s.slicesOf(service.Name, mirrorManager) {
		for _, e := range slice.Endpoints {
			got[groupOf(slice)+e.Addresses[0]] = true
		}
	}
	require.Equal(s.t, want, got, "seed %d: mirror of %s", s.seed, service.Name)
}

// checkLeftovers looks for what belongs to no service.
func (s *simulation) checkLeftovers() {
	for _, object := range simtest.List[*corev1.Endpoints](s.API) {
		exists := simtest.Get[*corev1.Service](s.API, "ns", object.Name) != nil
		s.require(exists || object.Labels[managedByLabel] != endpointManager, "Converged: Endpoints %s are left", object.Name)
	}
	for _, slice := range simtest.List[*discoveryv1.EndpointSlice](s.API) {
		service := simtest.Get[*corev1.Service](s.API, "ns", slice.Labels[discoveryv1.LabelServiceName])
		s.require(slice.Name == "foreign" || service != nil, "Converged: slice %s is left", slice.Name)
	}
}

func (s *simulation) checkQuiet() {
	s.API.OnWrite = func(w simtest.Write) { s.require(false, "Quiet: written again: %v", w.Current) }
	for _, service := range simtest.List[*corev1.Service](s.API) {
		s.c.serviceChanged(service, service)
	}
	s.require(s.Settle(s.t.Context(), time.Hour, nil), "Quiet: busy")
}
