package defaults_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lubberline/lubberline/orchestrator/api/defaults"
)

func scheme(t *testing.T) *runtime.Scheme {
	s := runtime.NewScheme()
	require.NoError(t, defaults.Register(s))
	return s
}

// What every pod spec and container gets.
const (
	specDefaults = `"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"`
	template     = `{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[]}}`
	templateFull = `{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[],` + specDefaults + `}}`
)

func container(fields string) string {
	return `{"name":"c",` + fields + `,"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}`
}

func podFull(container, more string) string {
	return `{"metadata":{},"spec":{` + more + `"containers":[` + container + `],` + specDefaults + `,"enableServiceLinks":true},"status":{}}`
}

func TestDefaults(t *testing.T) {
	for name, row := range map[string]struct {
		object   runtime.Object
		in, want string
	}{
		"pod with latest image":   {&v1.Pod{}, `{"spec":{"containers":[{"name":"c","image":"i"}]}}`, podFull(container(`"image":"i","resources":{},"imagePullPolicy":"Always"`), ``)},
		"image with tag":          {&v1.Pod{}, `{"spec":{"containers":[{"name":"c","image":"r:5000/i:1"}]}}`, podFull(container(`"image":"r:5000/i:1","resources":{},"imagePullPolicy":"IfNotPresent"`), ``)},
		"image of a port, no tag": {&v1.Pod{}, `{"spec":{"containers":[{"name":"c","image":"r:5000/i"}]}}`, podFull(container(`"image":"r:5000/i","resources":{},"imagePullPolicy":"Always"`), ``)},
		"no image name":           {&v1.Pod{}, `{"spec":{"containers":[{"name":"c","image":"A B"}]}}`, podFull(container(`"image":"A B","resources":{},"imagePullPolicy":"IfNotPresent"`), ``)},
		"requests from limits": {&v1.Pod{}, `{"spec":{"containers":[{"name":"c","image":"i:1","resources":{"limits":{"cpu":"1","memory":"1.0001"},"requests":{"cpu":"100u"}}}]}}`,
			podFull(container(`"image":"i:1","resources":{"limits":{"cpu":"1","memory":"1001m"},"requests":{"cpu":"1m","memory":"1001m"}},"imagePullPolicy":"IfNotPresent"`), ``)},
		"probes and hooks": {&v1.Pod{}, `{"spec":{"containers":[{"name":"c","image":"i:1","livenessProbe":{"httpGet":{"port":80}},"readinessProbe":{"grpc":{"port":80},"periodSeconds":3},"lifecycle":{"preStop":{"httpGet":{"port":80,"scheme":"HTTPS"}}}}]}}`,
			podFull(container(`"image":"i:1","resources":{},"imagePullPolicy":"IfNotPresent",
			"livenessProbe":{"httpGet":{"path":"/","port":80,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},
			"readinessProbe":{"grpc":{"port":80,"service":""},"timeoutSeconds":1,"periodSeconds":3,"successThreshold":1,"failureThreshold":3},
			"lifecycle":{"preStop":{"httpGet":{"path":"/","port":80,"scheme":"HTTPS"}}}`), ``)},
		"ports on the host's network": {&v1.Pod{}, `{"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"i:1","ports":[{"containerPort":80}]}]}}`,
			podFull(container(`"image":"i:1","resources":{},"imagePullPolicy":"IfNotPresent","ports":[{"hostPort":80,"containerPort":80,"protocol":"TCP"}]`), `"hostNetwork":true,`)},
		"environment": {&v1.Pod{}, `{"spec":{"containers":[{"name":"c","image":"i:1","env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},{"name":"B","valueFrom":{"fileKeyRef":{"volumeName":"v","path":"p","key":"k"}}}]}]}}`,
			podFull(container(`"image":"i:1","resources":{},"imagePullPolicy":"IfNotPresent","env":[{"name":"A","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}},{"name":"B","valueFrom":{"fileKeyRef":{"volumeName":"v","path":"p","key":"k","optional":false}}}]`), ``)},
		"volumes": {&v1.Pod{}, `{"spec":{"volumes":[{"name":"a"},{"name":"b","hostPath":{"path":"/x"}},{"name":"c","secret":{"secretName":"s"}},{"name":"d","configMap":{"name":"m"}},
			{"name":"e","downwardAPI":{"items":[{"path":"p","fieldRef":{"fieldPath":"metadata.name"}}]}},{"name":"f","projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}},{"name":"g","iscsi":{"targetPortal":"t","iqn":"q","lun":0}},
			{"name":"h","azureDisk":{"diskName":"d","diskURI":"u"}},{"name":"i","rbd":{"monitors":["m"],"image":"i"}},{"name":"j","scaleIO":{"gateway":"g","system":"s","secretRef":null}},{"name":"k","ephemeral":{"volumeClaimTemplate":{"spec":{"resources":{}}}}},{"name":"l","image":{"reference":"i:latest"}}],"containers":[]}}`,
			podFull(``, `"volumes":[{"name":"a","emptyDir":{}},{"name":"b","hostPath":{"path":"/x","type":""}},{"name":"c","secret":{"secretName":"s","defaultMode":420}},{"name":"d","configMap":{"name":"m","defaultMode":420}},
			{"name":"e","downwardAPI":{"items":[{"path":"p","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}],"defaultMode":420}},{"name":"f","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3600,"path":"t"}}],"defaultMode":420}},{"name":"g","iscsi":{"targetPortal":"t","iqn":"q","lun":0,"iscsiInterface":"default"}},
			{"name":"h","azureDisk":{"diskName":"d","diskURI":"u","cachingMode":"ReadWrite","fsType":"ext4","readOnly":false,"kind":"Shared"}},{"name":"i","rbd":{"monitors":["m"],"image":"i","pool":"rbd","user":"admin","keyring":"/etc/ceph/keyring"}},{"name":"j","scaleIO":{"gateway":"g","system":"s","secretRef":null,"storageMode":"ThinProvisioned","fsType":"xfs"}},
			{"name":"k","ephemeral":{"volumeClaimTemplate":{"metadata":{},"spec":{"resources":{},"volumeMode":"Filesystem"}}}},{"name":"l","image":{"reference":"i:latest","pullPolicy":"Always"}}],`)},
		"old account name, negative grace, addresses": {&v1.Pod{}, `{"spec":{"containers":[],"serviceAccount":"sa","terminationGracePeriodSeconds":-5},"status":{"podIP":"10.0.0.1"}}`,
			`{"metadata":{},"spec":{"containers":[],"restartPolicy":"Always","terminationGracePeriodSeconds":1,"dnsPolicy":"ClusterFirst","serviceAccountName":"sa","serviceAccount":"sa","securityContext":{},"schedulerName":"default-scheduler","enableServiceLinks":true},"status":{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]}}`},
		"resources of the pod": {&v1.Pod{}, `{"spec":{"containers":[],"resources":{"limits":{"cpu":"1"}}}}`,
			`{"metadata":{},"spec":{"containers":[],` + specDefaults + `,"enableServiceLinks":true,"resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}}},"status":{}}`},
		"pod template": {&v1.PodTemplate{}, `{"template":` + template + `}`, `{"metadata":{},"template":` + templateFull + `}`},
		"log options":  {&v1.PodLogOptions{}, `{}`, `{"stream":"All"}`},
		"replication controller": {&v1.ReplicationController{}, `{"spec":{"template":` + template + `}}`,
			`{"metadata":{"labels":{"a":"b"}},"spec":{"replicas":1,"selector":{"a":"b"},"template":` + templateFull + `},"status":{"replicas":0}}`},
		"replication controller with its own": {&v1.ReplicationController{}, `{"metadata":{"labels":{"x":"y"}},"spec":{"replicas":0,"selector":{"a":"c"}}}`,
			`{"metadata":{"labels":{"x":"y"}},"spec":{"replicas":0,"selector":{"a":"c"}},"status":{"replicas":0}}`},
		"replica set": {&appsv1.ReplicaSet{}, `{"spec":{"selector":null,"template":` + template + `}}`,
			`{"metadata":{},"spec":{"replicas":1,"selector":null,"template":` + templateFull + `},"status":{"replicas":0}}`},
		"deployment": {&appsv1.Deployment{}, `{"spec":{"selector":null,"template":` + template + `}}`,
			`{"metadata":{},"spec":{"replicas":1,"selector":null,"template":` + templateFull + `,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}},"revisionHistoryLimit":10,"progressDeadlineSeconds":600},"status":{}}`},
		"deployment that recreates": {&appsv1.Deployment{}, `{"spec":{"selector":null,"strategy":{"type":"Recreate"},"template":` + template + `}}`,
			`{"metadata":{},"spec":{"replicas":1,"selector":null,"template":` + templateFull + `,"strategy":{"type":"Recreate"},"revisionHistoryLimit":10,"progressDeadlineSeconds":600},"status":{}}`},
		"daemon set": {&appsv1.DaemonSet{}, `{"spec":{"selector":null,"template":` + template + `}}`,
			`{"metadata":{},"spec":{"selector":null,"template":` + templateFull + `,"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}},"revisionHistoryLimit":10},"status":{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}}`},
		"service": {&v1.Service{}, `{"spec":{"ports":[{"port":80}]}}`,
			`{"metadata":{},"spec":{"ports":[{"protocol":"TCP","port":80,"targetPort":80}],"type":"ClusterIP","sessionAffinity":"None","internalTrafficPolicy":"Cluster"},"status":{"loadBalancer":{}}}`},
		"service with affinity, outside": {&v1.Service{}, `{"spec":{"type":"NodePort","sessionAffinity":"ClientIP","ports":[{"port":80,"targetPort":"http"}]}}`,
			`{"metadata":{},"spec":{"ports":[{"protocol":"TCP","port":80,"targetPort":"http"}],"type":"NodePort","sessionAffinity":"ClientIP","externalTrafficPolicy":"Cluster","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}},"internalTrafficPolicy":"Cluster"},"status":{"loadBalancer":{}}}`},
		"service of a balancer": {&v1.Service{}, `{"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"10.0.0.1"}]}}}`,
			`{"metadata":{},"spec":{"type":"LoadBalancer","sessionAffinity":"None","externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster","allocateLoadBalancerNodePorts":true},"status":{"loadBalancer":{"ingress":[{"ip":"10.0.0.1","ipMode":"VIP"}]}}}`},
		"service of another name": {&v1.Service{}, `{"spec":{"type":"ExternalName"}}`, `{"metadata":{},"spec":{"type":"ExternalName","sessionAffinity":"None"},"status":{"loadBalancer":{}}}`},
		"endpoints":               {&v1.Endpoints{}, `{"subsets":[{"ports":[{"port":80}]}]}`, `{"metadata":{},"subsets":[{"ports":[{"port":80,"protocol":"TCP"}]}]}`},
		"endpoint slice":          {&discoveryv1.EndpointSlice{}, `{"addressType":"IPv4","endpoints":[],"ports":[{"port":80}]}`, `{"metadata":{},"addressType":"IPv4","endpoints":[],"ports":[{"name":"","protocol":"TCP","port":80}]}`},
		"namespace":               {&v1.Namespace{}, `{"metadata":{"name":"n"}}`, `{"metadata":{"name":"n","labels":{"kubernetes.io/metadata.name":"n"}},"spec":{},"status":{"phase":"Active"}}`},
		"secret":                  {&v1.Secret{}, `{"data":{"a":"YQ==","b":"YQ=="},"stringData":{"b":"b"}}`, `{"metadata":{},"data":{"a":"YQ==","b":"Yg=="},"type":"Opaque"}`},
		"node":                    {&v1.Node{}, `{"spec":{"podCIDR":"10.0.0.0/24"},"status":{"capacity":{"cpu":"2"}}}`, `{"metadata":{},"spec":{"podCIDR":"10.0.0.0/24","podCIDRs":["10.0.0.0/24"]},"status":{"capacity":{"cpu":"2"},"allocatable":{"cpu":"2"},"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"","kubeletVersion":"","kubeProxyVersion":"","operatingSystem":"","architecture":""}}}`},
		"volume":                  {&v1.PersistentVolume{}, `{"spec":{"hostPath":{"path":"/x"}}}`, `{"metadata":{},"spec":{"hostPath":{"path":"/x","type":""},"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem"},"status":{"phase":"Pending"}}`},
		"claim":                   {&v1.PersistentVolumeClaim{}, `{}`, `{"metadata":{},"spec":{"resources":{},"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}`},
		"limit range": {&v1.LimitRange{}, `{"spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"min":{"memory":"1Gi"},"default":{"memory":"2Gi"}},{"type":"Pod","max":{"cpu":"2"}}]}}`,
			`{"metadata":{},"spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"min":{"memory":"1Gi"},"default":{"cpu":"2","memory":"2Gi"},"defaultRequest":{"cpu":"2","memory":"2Gi"}},{"type":"Pod","max":{"cpu":"2"}}]}}`},
		"quota":          {&v1.ResourceQuota{}, `{"spec":{"hard":{"cpu":"100u"}}}`, `{"metadata":{},"spec":{"hard":{"cpu":"1m"}},"status":{}}`},
		"priority class": {&schedulingv1.PriorityClass{}, `{"value":1}`, `{"metadata":{},"value":1,"preemptionPolicy":"PreemptLowerPriority"}`},
		"token request":  {&authenticationv1.TokenRequest{}, `{"spec":{"audiences":null}}`, `{"metadata":{},"spec":{"audiences":null,"expirationSeconds":3600,"boundObjectRef":null},"status":{"token":"","expirationTimestamp":null}}`},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, json.Unmarshal([]byte(row.in), row.object))
			s := scheme(t)
			for range 2 { // once more changes nothing
				s.Default(row.object)
				got, err := json.Marshal(row.object)
				require.NoError(t, err)
				require.JSONEq(t, row.want, string(got))
			}
		})
	}
}

// TestListsGetDefaults holds that items of lists get what single objects get.
func TestListsGetDefaults(t *testing.T) {
	s := scheme(t)
	for _, list := range []runtime.Object{
		&v1.PodList{Items: make([]v1.Pod, 2)}, &v1.PodTemplateList{Items: make([]v1.PodTemplate, 2)}, &v1.ReplicationControllerList{Items: make([]v1.ReplicationController, 2)},
		&v1.ServiceList{Items: make([]v1.Service, 2)}, &v1.NamespaceList{Items: []v1.Namespace{{}, {}}}, &v1.SecretList{Items: make([]v1.Secret, 2)},
		&v1.ConfigMapList{Items: make([]v1.ConfigMap, 2)}, &v1.PersistentVolumeList{Items: make([]v1.PersistentVolume, 2)}, &v1.PersistentVolumeClaimList{Items: make([]v1.PersistentVolumeClaim, 2)},
		&appsv1.ReplicaSetList{Items: make([]appsv1.ReplicaSet, 2)}, &appsv1.DeploymentList{Items: make([]appsv1.Deployment, 2)}, &appsv1.DaemonSetList{Items: make([]appsv1.DaemonSet, 2)},
		&schedulingv1.PriorityClassList{Items: make([]schedulingv1.PriorityClass, 2)},
	} {
		items := reflect.ValueOf(list).Elem().FieldByName("Items")
		single := items.Index(1).Addr().Interface().(runtime.Object).DeepCopyObject()
		s.Default(single)
		s.Default(list)
		for i := range items.Len() {
			require.Equal(t, single, items.Index(i).Addr().Interface(), "%T", list)
		}
		require.False(t, reflect.ValueOf(single).Elem().IsZero(), "%T has defaults", single)
	}
}

// TestSharedNothing holds that objects do not share what they were given.
func TestSharedNothing(t *testing.T) {
	s := scheme(t)
	rc := &v1.ReplicationController{Spec: v1.ReplicationControllerSpec{Template: &v1.PodTemplateSpec{}}}
	rc.Spec.Template.Labels = map[string]string{"a": "b"}
	s.Default(rc)
	rc.Spec.Template.Labels["a"] = "c"
	require.Equal(t, map[string]string{"a": "b"}, rc.Spec.Selector)
	require.Equal(t, map[string]string{"a": "b"}, rc.Labels)

	one, two := &appsv1.Deployment{}, &appsv1.Deployment{}
	s.Default(one)
	s.Default(two)
	*one.Spec.Replicas = 7
	require.EqualValues(t, 1, *two.Spec.Replicas)
}
