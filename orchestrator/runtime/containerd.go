package runtime

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

// capSysResource is the number of CAP_SYS_RESOURCE.
const capSysResource = 24

func (r *Runtime) configFile() string  { return filepath.Join(r.o.DataDir, "containerd.toml") }
func (r *Runtime) cniConfDir() string  { return filepath.Join(r.o.DataDir, "cni", "net.d") }
func (r *Runtime) registryDir() string { return filepath.Join(r.o.DataDir, "registries") }

// containerdConfig is containerd's own format, version 3. What is not needed is
// off: each plug-in costs memory and start time.
var containerdConfig = template.Must(template.New("containerd.toml").Parse(`# Written by lubberline at each start.
version = 3
root = "{{.Root}}"
state = "{{.State}}"
disabled_plugins = [
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.erofs",
  "io.containerd.differ.v1.erofs", "io.containerd.mount-handler.v1.erofs", "io.containerd.image-verifier.v1.bindir",
]

[grpc]
address = "{{.Socket}}"

[ttrpc]
address = "{{.Socket}}.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
path = "{{.Root}}/opt"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{{.SandboxImage}}"

[plugins."io.containerd.cri.v1.images".registry]
config_path = "{{.Registries}}"

[plugins."io.containerd.cri.v1.runtime"]
disable_apparmor = {{.NoAppArmor}}
enable_unprivileged_icmp = true
enable_unprivileged_ports = true
max_container_log_line_size = 16384
netns_mounts_under_state_dir = true
restrict_oom_score_adj = {{.RestrictOOMScoreAdj}}

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{{.BinDir}}"]
conf_dir = "{{.CNI}}"
use_internal_loopback = true

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{{.BinDir}}/runc"
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri"]
stream_server_address = "127.0.0.1"
stream_server_port = "0"
`))

// writeConfig writes the files of containerd and CNI and returns a text that
// changes when a running containerd must be started anew to obey them.
func (r *Runtime) writeConfig() (string, error) {
	var config bytes.Buffer
	err := containerdConfig.Execute(&config, map[string]any{
		"Root": filepath.Join(r.o.DataDir, "containerd"), "State": filepath.Join(r.o.StateDir, "containerd"),
		"Socket": r.Socket(), "SandboxImage": SandboxImage, "Registries": r.registryDir(),
		"BinDir": r.o.BinDir, "CNI": r.cniConfDir(),
		"NoAppArmor": !appArmorLoaded(), "RestrictOOMScoreAdj": !hasCapability(capSysResource),
	})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(r.configFile(), config.Bytes(), 0o600); err != nil {
		return "", err
	}
	conflist, err := r.o.Network.conflist(filepath.Join(r.o.DataDir, "cni", "addresses"))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(r.cniConfDir(), "10-pods.conflist"), conflist, 0o600); err != nil {
		return "", err
	}
	program, err := os.Stat(filepath.Join(r.o.BinDir, "containerd"))
	if err != nil {
		return "", err
	}
	return shortHash(fmt.Sprintf("%s %d %d", config.String(), program.Size(), program.ModTime().UnixNano())), nil
}

// hasCapability tells whether this process may use the capability; without
// CAP_SYS_RESOURCE a container cannot be given a lower OOM score than ours.
func hasCapability(number int) bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && set&(1<<number) != 0
		}
	}
	return false
}

func appArmorLoaded() bool {
	enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && strings.HasPrefix(string(enabled), "Y")
}
