package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/config"
)

func TestConfigFile(t *testing.T) {
	f := func(text, wantErr string) {
		t.Helper()
		err := config.Decode([]byte(text), DefaultFile())
		if wantErr == "" {
			require.NoError(t, err, text)
			return
		}
		require.EqualError(t, err, wantErr, text)
	}
	f("", "")
	f("aggregator: {whatever: [is, there]}", "") // the other program's
	f("collector: {http: '', forward: {listen: ''}}", "")
	f("collector: {log_output: {address: 'unix:///run/x.sock'}, remote_write: {url: 'unix:///run/y.sock'}}", "")
	f("collector: {log_output: {address: '10.0.0.1:24225', tls: true, ca_file: /ca}, remote_write: {url: 'https://x/api/v1/write'}}", "")

	f("data_dir: ''", "data_dir: missing")
	f("log_level: loud", `log_level: log level "loud": want debug, info, warn or error`)
	f("colector: {}", `line 1: unknown key "colector"`)
	f("collector:\n  intervall: 1s", `line 2: unknown key "intervall"`)
	f("collector: {interval: 1500ms}", "collector: interval: 1.5s: want whole seconds, at least 1s")
	f("collector: {interval: 0s}", "collector: interval: 0s: want whole seconds, at least 1s")
	f("collector: {logs: {flush_interval: 0s}}", "collector: logs.flush_interval: 0s: want more than 0")
	f("collector: {remote_write: {spool_size: 1MiB}}", "collector: remote_write.spool_size: 1MiB: want at least 16MiB")
	f("collector: {remote_write: {url: 'ftp://x'}}", `collector: remote_write.url: "ftp://x": want http://…, https://… or unix:///…`)
	f("collector: {log_output: {spool_size: 5}}", "collector: log_output.spool_size: 5B: want at least 16MiB")
	f("collector: {log_output: {address: monitoring}}", `collector: log_output.address: "monitoring": want host:port or unix:///…`)
	f("collector: {log_output: {address: 'h:1', ca_file: /ca}}", "collector: log_output.ca_file: without tls: true it has no effect")
	f("collector: {logs: {files: [{glob: /a/*.log, tag: a}, {glob: b.log, tag: b}]}}", `collector: logs.files[1].glob: "b.log": want an absolute path`)
	f("collector: {logs: {files: [{glob: '/a/[', tag: a}]}}", `collector: logs.files[0].glob: "/a/[": syntax error in pattern`)
	f("collector: {logs: {files: [{glob: /a}]}}", `collector: logs.files[0].tag: missing for "/a"`)
	f("collector: {logs: {files: [{glob: /a, tag: a, format: xml}]}}", `collector: logs.files[0].format: "xml": want plain, cri or docker-json`)
	f("collector: {http: '0.0.0.0:4194'}",
		`collector: http: address "0.0.0.0:4194" is not loopback and needs TLS (cert_file and key_file) and a secret (token_file, or shared_key_file for the forward protocol)`)
	f("collector: {interval: 1ms, logs: {flush_interval: -1s}}", // everything at once
		"collector: interval: 1ms: want whole seconds, at least 1s\nlogs.flush_interval: -1s: want more than 0")
}
