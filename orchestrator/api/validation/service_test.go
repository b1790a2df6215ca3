package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
)

// serviceOf is a service with the defaults set, and more in its spec.
func serviceOf(kind, more string) string {
	return `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  type: ` + kind + `
  sessionAffinity: None
  internalTrafficPolicy: Cluster
` + more
}

const webPort = "  ports: [{port: 80, targetPort: 80, protocol: TCP}]\n"

func TestServiceCreate(t *testing.T) {
	testCreate(t, ValidateServiceCreate, []creation{
		{"plain", serviceOf("ClusterIP", webPort), nil},
		{"headless without ports", serviceOf("ClusterIP", "  clusterIP: None\n  clusterIPs: [None]\n"), nil},
		{"external name", serviceOf("ExternalName", "  externalName: db.example.com.\n"), nil},
		{"name", `{apiVersion: v1, kind: Service, metadata: {name: 1web, namespace: default}, spec: {type: ExternalName, externalName: a, sessionAffinity: None}}`, []string{
			`metadata.name: Invalid value: "1web": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
		}},
		{"no ports", serviceOf("ClusterIP", ""), []string{"spec.ports: Required value"}},
		{"unknown type", serviceOf("Other", webPort), []string{
			`spec.type: Unsupported value: "Other": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"`,
		}},
		{"unnamed ports", serviceOf("ClusterIP", "  ports: [{port: 80, targetPort: 80, protocol: TCP}, {name: a, port: 81, targetPort: 81, protocol: TCP}]\n"), []string{
			"spec.ports[0].name: Required value",
		}},
		{"ports' names and numbers", serviceOf("ClusterIP", "  ports: [{name: a, port: 80, targetPort: 80, protocol: TCP}, {name: a, port: 0, targetPort: UPPER, protocol: ICMP}]\n"), []string{
			`spec.ports[1].name: Duplicate value: "a"`,
			"spec.ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive",
			`spec.ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"`,
			`spec.ports[1].targetPort: Invalid value: "UPPER": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`,
			`spec.ports[1].targetPort: Invalid value: "UPPER": must contain at least one letter (a-z)`,
		}},
		{"same port twice", serviceOf("ClusterIP", "  ports: [{name: a, port: 80, targetPort: 80, protocol: TCP}, {name: b, port: 80, targetPort: 81, protocol: TCP}]\n"), []string{
			`spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80,"targetPort":0}`,
		}},
		{"same node port twice", serviceOf("NodePort", "  externalTrafficPolicy: Cluster\n  ports: [{name: a, port: 80, targetPort: 80, nodePort: 30000, protocol: TCP}, {name: b, port: 81, targetPort: 81, nodePort: 30000, protocol: TCP}]\n"), []string{
			"spec.ports[1].nodePort: Duplicate value: 30000",
		}},
		{"node port of a cluster IP", serviceOf("ClusterIP", "  ports: [{port: 80, targetPort: 80, nodePort: 30000, protocol: TCP}]\n"), []string{
			"spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
		}},
		{"headless node port", serviceOf("NodePort", "  externalTrafficPolicy: Cluster\n  clusterIP: None\n  clusterIPs: [None]\n"+webPort), []string{
			`spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services`,
		}},
		{"bad address", serviceOf("ClusterIP", "  clusterIP: 10.96.0\n  clusterIPs: [10.96.0]\n"+webPort), []string{
			`spec.clusterIPs[0]: Invalid value: "10.96.0": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`,
		}},
		{"addresses that differ", serviceOf("ClusterIP", "  clusterIP: 10.96.0.1\n  clusterIPs: [10.96.0.2]\n"+webPort), []string{
			"spec.clusterIPs: Invalid value: [\"10.96.0.2\"]: first value must match `clusterIP`",
		}},
		{"two of a family", serviceOf("ClusterIP", "  clusterIP: 10.96.0.1\n  clusterIPs: [10.96.0.1, 10.96.0.2]\n"+webPort), []string{
			`spec.clusterIPs: Invalid value: ["10.96.0.1","10.96.0.2"]: may specify no more than one IP for each IP family`,
		}},
		{"family of address", serviceOf("ClusterIP", "  ipFamilies: [IPv6]\n  clusterIP: 10.96.0.1\n  clusterIPs: [10.96.0.1]\n"+webPort), []string{
			"spec.clusterIPs[0]: Invalid value: \"10.96.0.1\": expected an IPv6 value as indicated by `ipFamilies[0]`",
		}},
		{"external name with addresses", serviceOf("ExternalName", "  clusterIPs: [10.96.0.1]\n  ipFamilies: [IPv4]\n  ipFamilyPolicy: SingleStack\n"), []string{
			"spec.clusterIPs: Forbidden: may not be set for ExternalName services",
			"spec.ipFamilies: Forbidden: may not be set for ExternalName services",
			"spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
			"spec.externalName: Required value",
		}},
		{"external address", serviceOf("ClusterIP", "  externalTrafficPolicy: Cluster\n  externalIPs: [127.0.0.1, 0.0.0.0]\n"+webPort), []string{
			`spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)`,
			`spec.externalIPs[1]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)`,
		}},
		{"affinity", `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: {type: ExternalName, externalName: a, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}}}`, []string{
			"spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400",
		}},
		{"affinity without a time", `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: {type: ExternalName, externalName: a, sessionAffinity: ClientIP}}`, []string{
			"spec.sessionAffinityConfig: Required value: when session affinity type is ClientIP",
		}},
		{"policies", serviceOf("ClusterIP", "  externalTrafficPolicy: Local\n  trafficDistribution: Near\n  loadBalancerClass: a/b\n  healthCheckNodePort: 1\n"+webPort), []string{
			"spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
			`spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services`,
			"spec.healthCheckNodePort: Invalid value: 1: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
			`spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"`,
		}},
		{"source ranges", serviceOf("ClusterIP", "  loadBalancerSourceRanges: [' 10.0.0.0/8 ', nonsense]\n"+webPort), []string{
			"spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
			`spec.LoadBalancerSourceRanges[1]: Invalid value: "nonsense": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`,
		}},
		{"selector", serviceOf("ClusterIP", "  selector: {app: '-'}\n"+webPort), []string{
			`spec.selector: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
		}},
	})
}

func TestServiceUpdate(t *testing.T) {
	one := serviceOf("ClusterIP", "  clusterIP: 10.96.0.1\n  clusterIPs: [10.96.0.1]\n  ipFamilies: [IPv4]\n"+webPort)
	testUpdate(t, ValidateServiceUpdate, []change{
		{"nothing", one, one, nil},
		{"other address", one, serviceOf("ClusterIP", "  clusterIP: 10.96.0.2\n  clusterIPs: [10.96.0.2]\n  ipFamilies: [IPv4]\n"+webPort), []string{
			`spec.clusterIPs[0]: Invalid value: ["10.96.0.2"]: may not change once set`,
		}},
		{"no address", one, serviceOf("ClusterIP", "  ipFamilies: [IPv4]\n"+webPort), []string{
			`spec.clusterIPs[0]: Invalid value: null: primary clusterIP can not be unset`,
		}},
		{"other family", one, serviceOf("ClusterIP", "  clusterIP: 10.96.0.1\n  clusterIPs: [10.96.0.1]\n  ipFamilies: [IPv6]\n"+webPort), []string{
			`spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set`,
			"spec.clusterIPs[0]: Invalid value: \"10.96.0.1\": expected an IPv6 value as indicated by `ipFamilies[0]`",
		}},
		{"to external name", one, serviceOf("ExternalName", "  externalName: a\n"), nil},
	})
}

func TestServiceStatusUpdate(t *testing.T) {
	balanced := serviceOf("LoadBalancer", webPort)
	testUpdate(t, ValidateServiceStatusUpdate, []change{
		{"none", balanced, balanced, nil},
		{"of another type", serviceOf("ClusterIP", webPort), serviceOf("ClusterIP", webPort+"status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}"), []string{
			"status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'",
		}},
		{"ingress", balanced, serviceOf("LoadBalancer", webPort+"status: {loadBalancer: {ingress: [{ip: 1.2.3.4}, {ipMode: VIP}, {hostname: 1.2.3.4}]}}"), []string{
			"status.loadBalancer.ingress[0].ipMode: Required value: must be specified when `ip` is set",
			"status.loadBalancer.ingress[1].ipMode: Forbidden: may not be specified when `ip` is not set",
			`status.loadBalancer.ingress[2].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address`,
		}},
	})
}

func TestExternallyAccessible(t *testing.T) {
	for kind, want := range map[v1.ServiceType]bool{
		v1.ServiceTypeClusterIP: false, v1.ServiceTypeNodePort: true, v1.ServiceTypeLoadBalancer: true, v1.ServiceTypeExternalName: false,
	} {
		if got := IsExternallyAccessible(&v1.Service{Spec: v1.ServiceSpec{Type: kind}}); got != want {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

func TestServiceWarnings(t *testing.T) {
	f := func(object string, want ...string) {
		t.Helper()
		require.Equal(t, want, ServiceWarnings(parse[*v1.Service](t, object)))
	}
	f(serviceOf("ClusterIP", "  clusterIP: 10.96.0.1\n  clusterIPs: [10.96.0.1]\n"+webPort))
	f(serviceOf("ClusterIP", "  clusterIP: 010.96.0.1\n  clusterIPs: [010.96.0.1]\n  externalName: a\n"+webPort),
		`spec.clusterIPs[0]: non-standard IP address "010.96.0.1" is invalid: use "10.96.0.1"`,
		`spec.externalName is ignored when spec.type is not "ExternalName"`)
	f(serviceOf("ClusterIP", "  clusterIP: None\n  clusterIPs: [None]\n  externalIPs: [1.2.3.4]\n"+webPort),
		"spec.externalIPs is ignored for headless services")
	f(serviceOf("ExternalName", "  externalName: a\n  externalIPs: [1.2.3.4]\n"),
		`spec.externalIPs is ignored when spec.type is "ExternalName"`)
}
