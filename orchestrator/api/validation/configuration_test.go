package validation

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestConfigMapCreate(t *testing.T) {
	meta := `{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: default}, `
	testCreate(t, ValidateConfigMapCreate, []creation{
		{"plain", meta + `data: {a.b_C-1: x}, binaryData: {d: AA==}}`, nil},
		{"largest", meta + `data: {a: ` + strings.Repeat("x", 1<<20) + `}}`, nil},
		{"too large", meta + `data: {a: ` + strings.Repeat("x", 1<<20) + `}, binaryData: {b: AA==}}`, []string{
			`[]: Too long: may not be more than 1048576 bytes`,
		}},
		{"keys", meta + `data: {"a/b": x, "..": v, same: z}, binaryData: {same: AA==, "": AA==}}`, []string{
			`data[..]: Invalid value: "..": must not be '..'`,
			`data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
			`data[same]: Invalid value: "same": duplicate of key present in binaryData`,
			`binaryData[]: Invalid value: "": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
		}},
		{"name", `{apiVersion: v1, kind: ConfigMap, metadata: {name: Upper}}`, []string{
			`metadata.name: Invalid value: "Upper": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
			"metadata.namespace: Required value",
		}},
	})
}

func TestConfigMapUpdate(t *testing.T) {
	meta := `{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: default}, `
	fixed := meta + `immutable: true, data: {a: b}}`
	testUpdate(t, ValidateConfigMapUpdate, []change{
		{"mutable", meta + `data: {a: b}}`, meta + `data: {a: c}}`, nil},
		{"made immutable", meta + `data: {a: b}}`, fixed, nil},
		{"the same", fixed, fixed, nil},
		{"changed", fixed, meta + `immutable: true, data: {a: c}, binaryData: {d: AA==}}`, []string{
			"data: Forbidden: field is immutable when `immutable` is set",
			"binaryData: Forbidden: field is immutable when `immutable` is set",
		}},
		{"made mutable", fixed, meta + `immutable: false, data: {a: b}}`, []string{
			"immutable: Forbidden: field is immutable when `immutable` is set",
		}},
		{"name", fixed, `{apiVersion: v1, kind: ConfigMap, metadata: {name: d, namespace: default}, immutable: true, data: {a: b}}`, []string{
			`metadata.name: Invalid value: "d": field is immutable`,
		}},
	})
}

func secretOf(kind, more string) string {
	return `{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: default}, type: ` + kind + more + `}`
}

func TestSecretCreate(t *testing.T) {
	notJSON := base64.StdEncoding.EncodeToString([]byte("secret words"))
	testCreate(t, ValidateSecretCreate, []creation{
		{"opaque", secretOf("Opaque", `, data: {a: AA==}`), nil},
		{"unknown type", secretOf("example.com/own", ``), nil},
		{"key", secretOf("Opaque", `, data: {"a b": AA==}`), []string{
			`data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
		}},
		{"too large", secretOf("Opaque", `, data: {a: `+base64.StdEncoding.EncodeToString(make([]byte, 1<<20+1))+`}`), []string{
			`data: Too long: may not be more than 1048576 bytes`,
		}},
		{"TLS", secretOf("kubernetes.io/tls", ``), []string{"data[tls.crt]: Required value", "data[tls.key]: Required value"}},
		{"basic", secretOf("kubernetes.io/basic-auth", ``), []string{"data[username]: Required value", "data[password]: Required value"}},
		{"basic with a password", secretOf("kubernetes.io/basic-auth", `, data: {password: AA==}`), nil},
		{"SSH", secretOf("kubernetes.io/ssh-auth", `, data: {ssh-privatekey: ""}`), []string{"data[ssh-privatekey]: Required value"}},
		{"registry", secretOf("kubernetes.io/dockerconfigjson", ``), []string{"data[.dockerconfigjson]: Required value"}},
		{"registry's words", secretOf("kubernetes.io/dockercfg", `, data: {.dockercfg: `+notJSON+`}`), []string{
			`data[.dockercfg]: Invalid value: "<secret contents redacted>": invalid character 's' looking for beginning of value`,
		}},
		{"token", secretOf("kubernetes.io/service-account-token", ``), []string{
			"metadata.annotations[kubernetes.io/service-account.name]: Required value",
		}},
	})
}

func TestSecretUpdate(t *testing.T) {
	testUpdate(t, ValidateSecretUpdate, []change{
		{"type", secretOf("Opaque", ``), secretOf("example.com/own", ``), []string{
			`type: Invalid value: "example.com/own": field is immutable`,
		}},
		{"immutable", secretOf("Opaque", `, immutable: true, data: {a: AA==}`), secretOf("Opaque", `, data: {a: AQ==}`), []string{
			"immutable: Forbidden: field is immutable when `immutable` is set",
			"data: Forbidden: field is immutable when `immutable` is set",
		}},
	})
}

func TestServiceAccounts(t *testing.T) {
	account := `{apiVersion: v1, kind: ServiceAccount, metadata: {name: a, namespace: default}}`
	testCreate(t, ValidateServiceAccountCreate, []creation{{"plain", account, nil}})
	testUpdate(t, ValidateServiceAccountUpdate, []change{{"nothing", account, account, nil}})
}
