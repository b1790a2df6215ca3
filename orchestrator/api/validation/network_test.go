package validation

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestEndpoints(t *testing.T) {
	endpoints := func(subsets string) string {
		return `{apiVersion: v1, kind: Endpoints, metadata: {name: a, namespace: default}, subsets: [` + subsets + `]}`
	}
	good := endpoints(`{addresses: [{ip: 10.0.0.1, nodeName: a, hostname: b}], ports: [{port: 80, protocol: TCP}]}`)
	bad := endpoints(`{addresses: [{ip: 127.0.0.1}]}`)
	testCreate(t, ValidateEndpointsCreate, []creation{
		{"plain", good, nil},
		{"none", endpoints(``), nil},
		{"empty subset", endpoints(`{}`), []string{"subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"}},
		{"addresses", endpoints(`{addresses: [{ip: 169.254.1.1}, {ip: 224.0.0.1}], notReadyAddresses: [{ip: web}]}`), []string{
			`subsets[0].addresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)`,
			`subsets[0].addresses[1].ip: Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)`,
			`subsets[0].notReadyAddresses[0].ip: Invalid value: "web": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`,
			`subsets[0].notReadyAddresses[0].ip: Invalid value: "web": must be a valid IP address`,
		}},
		{"ports", endpoints(`{addresses: [{ip: 10.0.0.1}], ports: [{port: 0}, {name: b, port: 1, protocol: TCP, appProtocol: "x y"}]}`), []string{
			"subsets[0].ports[0].name: Required value",
			"subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
			"subsets[0].ports[0].protocol: Required value",
			`subsets[0].ports[1].appProtocol: Invalid value: "x y": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
		}},
	})
	testUpdate(t, ValidateEndpointsUpdate, []change{
		{"better", bad, good, nil},
		{"what was bad stays", bad, bad, nil},
		{"worse", good, bad, []string{
			`subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)`,
		}},
	})
}

func TestEndpointSlices(t *testing.T) {
	slice := func(kind, more string) string {
		return `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, namespace: default}, addressType: ` + kind + `, ` + more + `}`
	}
	good := slice("IPv4", `ports: [{name: "", port: 80, protocol: TCP}], endpoints: [{addresses: [10.0.0.1], nodeName: a, hints: {forZones: [{name: z}]}}]`)
	testCreate(t, ValidateEndpointSliceCreate, []creation{
		{"plain", good, nil},
		{"names of hosts", slice("FQDN", `endpoints: [{addresses: [a.example.com]}]`), nil},
		{"type", slice("IPv5", ``), []string{`addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"`}},
		{"no type", slice(`""`, ``), []string{"addressType: Required value"}},
		{"ports", slice("IPv4", `ports: [{name: a, protocol: TCP}, {name: a, protocol: ICMP}, {name: B_, protocol: UDP}]`), []string{
			`ports[1].name: Duplicate value: "a"`,
			`ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"`,
			`ports[2].name: Invalid value: "B_": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
		}},
		{"addresses", slice("IPv4", `endpoints: [{addresses: []}, {addresses: ["2001:db8::1"]}, {addresses: [web]}, {addresses: [127.0.0.1]}]`), []string{
			"endpoints[0].addresses: Required value: must contain at least 1 address",
			`endpoints[1].addresses: Invalid value: "2001:db8::1": must be an IPv4 address`,
			`endpoints[2].addresses[0]: Invalid value: "web": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`,
			`endpoints[3].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)`,
		}},
		{"IPv6", slice("IPv6", `endpoints: [{addresses: [10.0.0.1]}]`), []string{
			`endpoints[0].addresses: Invalid value: "10.0.0.1": must be an IPv6 address`,
		}},
		{"hints", slice("IPv4", `endpoints: [{addresses: [10.0.0.1], hints: {forZones: [{name: z}, {name: z}]}}]`), []string{
			`endpoints[0].hints.forZones[1].name: Duplicate value: "z"`,
		}},
		{"many", slice("IPv4", `endpoints: [`+strings.Repeat(`{addresses: [10.0.0.1]},`, 1001)+`]`), []string{
			"endpoints: Too many: 1001: must have at most 1000 items",
		}},
	})
	testUpdate(t, ValidateEndpointSliceUpdate, []change{
		{"type", good, slice("IPv6", `endpoints: [{addresses: ["2001:db8::1"]}]`), []string{
			`addressType: Invalid value: "IPv6": field is immutable`,
		}},
	})
}

func TestEvents(t *testing.T) {
	const old = `{apiVersion: v1, kind: Event, metadata: {name: a, namespace: default}, involvedObject: {namespace: default}, `
	const renewed = old + `eventTime: "2026-01-01T00:00:00.000000Z", type: Normal, reason: R, action: A, reportingComponent: c, reportingInstance: i, `
	testCreate(t, lenient, []creation{
		{"old form", old + `}`, nil},
		{"new form", renewed + `}`, nil},
		{"elsewhere", `{apiVersion: v1, kind: Event, metadata: {name: a, namespace: default}, involvedObject: {namespace: other}}`, []string{
			`involvedObject.namespace: Invalid value: "other": does not match event.namespace`,
		}},
		{"new form without its fields", old + `eventTime: "2026-01-01T00:00:00.000000Z"}`, []string{
			"reportingComponent: Required value",
			`reportingComponent: Invalid value: "": name part must be non-empty`,
			`reportingComponent: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
			"reportingInstance: Required value",
			"action: Required value",
			"reason: Required value",
		}},
		{"long", renewed + `message: ` + strings.Repeat("x", 1025) + `}`, []string{
			`message: Invalid value: "": can have at most 1024 characters`,
		}},
	})
	testCreate(t, strict, []creation{
		{"new form", renewed + `series: {count: 2, lastObservedTime: "2026-01-01T00:00:00.000000Z"}}`, nil},
		{"old form", old + `count: 1, source: {component: a}, firstTimestamp: "2026-01-01T00:00:00Z", lastTimestamp: "2026-01-01T00:00:00Z", series: {count: 1}}`, []string{
			`series.count: Invalid value: "": should be at least 2`,
			"series.lastObservedTime: Required value",
			"eventTime: Required value",
			`type: Invalid value: "": has invalid value: `,
			`firstTimestamp: Invalid value: "": needs to be unset`,
			`lastTimestamp: Invalid value: "": needs to be unset`,
			`count: Invalid value: "": needs to be unset`,
			`source: Invalid value: "": needs to be unset`,
		}},
	})
	testUpdate(t, strictUpdate, []change{
		{"series", renewed + `}`, renewed + `series: {count: 2, lastObservedTime: "2026-01-01T00:00:00.000000Z"}}`, nil},
		{"others", renewed + `}`, renewed + `message: x, series: {count: 1}}`, []string{
			`series.count: Invalid value: "": should be at least 2`,
			"series.lastObservedTime: Required value",
			`message: Invalid value: "x": field is immutable`,
		}},
	})
}

func lenient(e *v1.Event) field.ErrorList { return ValidateEventCreate(e, false) }

func strict(e *v1.Event) field.ErrorList { return ValidateEventCreate(e, true) }

func strictUpdate(e, old *v1.Event) field.ErrorList { return ValidateEventUpdate(e, old, true) }
