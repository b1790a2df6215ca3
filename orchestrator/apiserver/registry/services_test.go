package registry_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/lubberline/lubberline/orchestrator/apiserver"
	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
)

func service(name string, change ...func(*corev1.ServiceSpec)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: 80}}},
	}
	for _, f := range change {
		f(&s.Spec)
	}
	return s
}

func TestServiceGetsAddress(t *testing.T) {
	_, c := start(t)
	services := c.CoreV1().Services("default")
	made, err := services.Create(t.Context(), service("web"), create)
	require.NoError(t, err)
	ip := netip.MustParseAddr(made.Spec.ClusterIP)
	require.True(t, netip.MustParsePrefix("10.96.0.0/16").Contains(ip), ip)
	require.Equal(t, []string{made.Spec.ClusterIP}, made.Spec.ClusterIPs)
	require.Equal(t, []corev1.IPFamily{corev1.IPv4Protocol}, made.Spec.IPFamilies)
	require.Equal(t, corev1.IPFamilyPolicySingleStack, *made.Spec.IPFamilyPolicy)
	require.Equal(t, corev1.ServiceTypeClusterIP, made.Spec.Type)

	_, err = services.Create(t.Context(), service("other", func(s *corev1.ServiceSpec) { s.ClusterIP = made.Spec.ClusterIP }), create)
	requireStatus(t, err, 422, fmt.Sprintf(`Service "other" is invalid: spec.clusterIPs: Invalid value: ["%s"]: failed to allocate IP %[1]s: provided IP is already allocated`, ip))
	_, err = services.Create(t.Context(), service("other", func(s *corev1.ServiceSpec) { s.ClusterIP = "1.2.3.4" }), create)
	requireStatus(t, err, 422, `Service "other" is invalid: spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.96.0.0/16`)

	_, err = services.Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"clusterIP":"10.96.7.7","clusterIPs":["10.96.7.7"]}}`), metav1.PatchOptions{})
	requireStatus(t, err, 422, `Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.7.7"]: may not change once set`)
	_, err = services.Create(t.Context(), service("seven", func(s *corev1.ServiceSpec) { s.ClusterIP = "10.96.7.7" }), create)
	require.NoError(t, err, "what the refused change took is given back")

	require.NoError(t, services.Delete(t.Context(), "web", remove))
	again, err := services.Create(t.Context(), service("again", func(s *corev1.ServiceSpec) { s.ClusterIP = made.Spec.ClusterIP }), create)
	require.NoError(t, err, "a deleted service's address is free")
	require.Equal(t, made.Spec.ClusterIP, again.Spec.ClusterIP)
}

func TestServiceUpdateKeepsWhatItLeavesOut(t *testing.T) {
	_, c := start(t)
	services := c.CoreV1().Services("default")
	nodePort := func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeNodePort }
	made, err := services.Create(t.Context(), service("web", nodePort), create)
	require.NoError(t, err)
	port := made.Spec.Ports[0].NodePort
	require.GreaterOrEqual(t, port, int32(30000))
	require.LessOrEqual(t, port, int32(32767))
	same := service("web", nodePort)
	updated, err := services.Update(t.Context(), same, update)
	require.NoError(t, err)
	require.Equal(t, made.Spec.ClusterIP, updated.Spec.ClusterIP)
	require.Equal(t, port, updated.Spec.Ports[0].NodePort)

	plain, err := services.Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"type":"ClusterIP"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Zero(t, plain.Spec.Ports[0].NodePort)
	require.Empty(t, plain.Spec.ExternalTrafficPolicy)
	require.Equal(t, made.Spec.ClusterIP, plain.Spec.ClusterIP)
	takes := service("takes", nodePort, func(s *corev1.ServiceSpec) { s.Ports[0].NodePort = port })
	_, err = services.Create(t.Context(), takes, create)
	require.NoError(t, err, "the port of the old type is free")
	_, err = services.Create(t.Context(), service("second", nodePort, func(s *corev1.ServiceSpec) { s.Ports[0].NodePort = port }), create)
	requireStatus(t, err, 422, fmt.Sprintf(`Service "second" is invalid: spec.ports[0].nodePort: Invalid value: %d: provided port is already allocated`, port))
	_, err = services.Create(t.Context(), service("second", nodePort, func(s *corev1.ServiceSpec) { s.Ports[0].NodePort = 80 }), create)
	requireStatus(t, err, 422, `Service "second" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767`)
}

func TestServiceChangesType(t *testing.T) {
	_, c := start(t)
	services := c.CoreV1().Services("default")
	made, err := services.Create(t.Context(), service("web"), create)
	require.NoError(t, err)
	named, err := services.Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"type":"ExternalName","externalName":"a.example.com"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Empty(t, named.Spec.ClusterIP)
	require.Empty(t, named.Spec.ClusterIPs)
	require.Nil(t, named.Spec.IPFamilyPolicy)
	_, err = services.Create(t.Context(), service("takes", func(s *corev1.ServiceSpec) { s.ClusterIP = made.Spec.ClusterIP }), create)
	require.NoError(t, err, "an external name gives its address back")
	back, err := services.Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"type":"NodePort","externalName":null}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, back.Spec.ClusterIP)
	require.NotEqual(t, made.Spec.ClusterIP, back.Spec.ClusterIP)
	require.NotZero(t, back.Spec.Ports[0].NodePort)
}

func TestHeadlessServices(t *testing.T) {
	_, c := start(t)
	services := c.CoreV1().Services("default")
	headless := func(s *corev1.ServiceSpec) { s.ClusterIP = corev1.ClusterIPNone }
	made, err := services.Create(t.Context(), service("selecting", headless), create)
	require.NoError(t, err)
	require.Equal(t, []string{"None"}, made.Spec.ClusterIPs)
	require.Equal(t, corev1.IPFamilyPolicySingleStack, *made.Spec.IPFamilyPolicy)
	made, err = services.Create(t.Context(), service("by-hand", headless, func(s *corev1.ServiceSpec) { s.Selector = nil }), create)
	require.NoError(t, err)
	require.Equal(t, []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}, made.Spec.IPFamilies)
	require.Equal(t, corev1.IPFamilyPolicyRequireDualStack, *made.Spec.IPFamilyPolicy)
	_, err = services.Create(t.Context(), service("dual", func(s *corev1.ServiceSpec) {
		s.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyRequireDualStack)
	}), create)
	requireStatus(t, err, 422, `Service "dual" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services`)
	prefer, err := services.Create(t.Context(), service("prefer", func(s *corev1.ServiceSpec) {
		s.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyPreferDualStack)
	}), create)
	require.NoError(t, err)
	require.Len(t, prefer.Spec.ClusterIPs, 1)
}

func TestAddressWithLeadingZeros(t *testing.T) {
	_, c := start(t)
	services := c.CoreV1().Services("default")
	_, err := services.Create(t.Context(), service("sloppy", func(s *corev1.ServiceSpec) { s.ClusterIP = "010.096.005.005" }), create)
	require.NoError(t, err)
	_, err = services.Create(t.Context(), service("exact", func(s *corev1.ServiceSpec) { s.ClusterIP = "10.96.5.5" }), create)
	require.ErrorContains(t, err, "provided IP is already allocated")
}

func TestPortsOfOneNumberShareANodePort(t *testing.T) {
	_, c := start(t)
	made, err := c.CoreV1().Services("default").Create(t.Context(), service("dns", func(s *corev1.ServiceSpec) {
		s.Type = corev1.ServiceTypeNodePort
		s.Ports = []corev1.ServicePort{
			{Name: "udp", Port: 53, Protocol: corev1.ProtocolUDP}, {Name: "tcp", Port: 53, Protocol: corev1.ProtocolTCP}, {Name: "web", Port: 80},
		}
	}), create)
	require.NoError(t, err)
	p := made.Spec.Ports
	require.Equal(t, p[0].NodePort, p[1].NodePort)
	require.NotEqual(t, p[0].NodePort, p[2].NodePort)
}

func TestLoadBalancerWithLocalTraffic(t *testing.T) {
	_, c := start(t)
	services := c.CoreV1().Services("default")
	made, err := services.Create(t.Context(), service("lb", func(s *corev1.ServiceSpec) {
		s.Type = corev1.ServiceTypeLoadBalancer
		s.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}), create)
	require.NoError(t, err)
	require.NotZero(t, made.Spec.HealthCheckNodePort)
	require.NotEqual(t, made.Spec.HealthCheckNodePort, made.Spec.Ports[0].NodePort)
	made.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "1.2.3.4"}}
	made.Spec.Ports[0].NodePort = 31000 // not changed with the status
	balanced, err := services.UpdateStatus(t.Context(), made, update)
	require.NoError(t, err)
	require.NotEqual(t, int32(31000), balanced.Spec.Ports[0].NodePort)
	require.Equal(t, "1.2.3.4", balanced.Status.LoadBalancer.Ingress[0].IP)
	plain, err := services.Patch(t.Context(), "lb", types.MergePatchType, []byte(`{"spec":{"type":"ClusterIP"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Empty(t, plain.Status.LoadBalancer.Ingress)
	require.Zero(t, plain.Spec.HealthCheckNodePort)
}

func TestDryRunTakesNothing(t *testing.T) {
	_, c := start(t)
	services := c.CoreV1().Services("default")
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	fixed := service("web", func(s *corev1.ServiceSpec) { s.ClusterIP = "10.96.9.9" })
	for range 2 {
		made, err := services.Create(t.Context(), fixed, dry)
		require.NoError(t, err)
		require.Equal(t, "10.96.9.9", made.Spec.ClusterIP)
	}
	made, err := services.Create(t.Context(), fixed, create)
	require.NoError(t, err)
	require.NoError(t, services.Delete(t.Context(), "web", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}))
	_, err = services.Create(t.Context(), service("other", func(s *corev1.ServiceSpec) { s.ClusterIP = made.Spec.ClusterIP }), create)
	require.True(t, apierrors.IsInvalid(err), "%v", err)
}

func TestConcurrentServicesNeverShare(t *testing.T) {
	_, c := start(t, func(o *apiserver.Options) { o.ServiceNetwork = netip.MustParsePrefix("10.96.0.0/26") })
	services := c.CoreV1().Services("default")
	const wanted = 80 // more than the 62 addresses
	var wait sync.WaitGroup
	for i := range wanted {
		wait.Go(func() {
			_, err := services.Create(t.Context(), service(fmt.Sprintf("s%d", i), func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeNodePort }), create)
			if err != nil && !apierrors.IsInternalError(err) {
				t.Errorf("service %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	all, err := services.List(t.Context(), list)
	require.NoError(t, err)
	require.Len(t, all.Items, 62, "every address is given, the API's among them")
	ips, ports := map[string]string{}, map[int32]string{}
	for _, s := range all.Items {
		require.Empty(t, ips[s.Spec.ClusterIP], "%s has the address of another", s.Name)
		ips[s.Spec.ClusterIP] = s.Name
		if port := s.Spec.Ports[0].NodePort; port != 0 {
			require.Empty(t, ports[port], "%s has the port of another", s.Name)
			ports[port] = s.Name
		}
	}
	_, err = services.Create(t.Context(), service("late"), create)
	require.ErrorContains(t, err, "failed to allocate a serviceIP: range is full")
}

func TestAddressesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	same := func(o *apiserver.Options) { o.DataDir = dir }
	var ip string
	var port int32
	t.Run("before", func(t *testing.T) {
		_, c := start(t, same)
		made, err := c.CoreV1().Services("default").Create(t.Context(), service("web", func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeNodePort }), create)
		require.NoError(t, err)
		ip, port = made.Spec.ClusterIP, made.Spec.Ports[0].NodePort
	})
	t.Run("after", func(t *testing.T) {
		c := apitest.Admin(t, apitest.Start(t, same))
		_, err := c.CoreV1().Services("default").Create(t.Context(), service("a", func(s *corev1.ServiceSpec) { s.ClusterIP = ip }), create)
		require.ErrorContains(t, err, "provided IP is already allocated")
		_, err = c.CoreV1().Services("default").Create(t.Context(), service("b", func(s *corev1.ServiceSpec) {
			s.Type, s.Ports[0].NodePort = corev1.ServiceTypeNodePort, port
		}), create)
		require.ErrorContains(t, err, "provided port is already allocated")
	})
}
