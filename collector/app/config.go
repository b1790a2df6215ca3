package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/lubberline/lubberline/collector/hostroot"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/runtime"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/listen"
)

// Config is the collector's part of the configuration file.
type Config struct {
	// Node is this machine's name in every series and record; the host name
	// when empty.
	Node string `yaml:"node"`
	// HostRoot is where the machine's root folder is mounted, for a collector in
	// a container; all paths of the machine are below it.
	HostRoot hostroot.Root `yaml:"host_root"`
	// Interval is the sampling grid; 1s is the finest.
	Interval time.Duration `yaml:"interval"`
	// HTTP is where /metrics, /stats/summary and the health checks are served.
	HTTP         string          `yaml:"http"`
	HTTPSecurity listen.Security `yaml:"http_security"`

	Runtimes RuntimesConfig `yaml:"runtimes"`
	Logs     LogsConfig     `yaml:"logs"`
	Forward  ForwardConfig  `yaml:"forward"`

	RemoteWrite RemoteWriteConfig `yaml:"remote_write"`
	LogOutput   LogOutputConfig   `yaml:"log_output"`
}

// RuntimesConfig names the container runtimes' sockets. A missing one is fine.
type RuntimesConfig struct {
	Docker     string `yaml:"docker"`
	Podman     string `yaml:"podman"`
	Containerd string `yaml:"containerd"`
	CRIO       string `yaml:"crio"`
}

// Sockets lists the sockets by runtime.
func (r RuntimesConfig) Sockets() map[string][]string {
	return map[string][]string{
		runtime.Docker: {r.Docker}, runtime.Podman: {r.Podman}, runtime.Containerd: {r.Containerd}, runtime.CRIO: {r.CRIO},
	}
}

// LogsConfig says which log files are tailed.
type LogsConfig struct {
	// Containers turns the tailing of containers' output on.
	Containers bool `yaml:"containers"`
	// Pods is the folder of pods' log files, which are then all read: also those
	// of containers that no sample saw. Empty reads those of known containers.
	Pods string `yaml:"pods"`
	// Files are further files.
	Files []FileConfig `yaml:"files"`
	// FlushInterval is the longest a line waits before it is in the spool.
	FlushInterval time.Duration `yaml:"flush_interval"`
}

// FileConfig is a set of log files outside of containers.
type FileConfig struct {
	// Glob matches the files' paths.
	Glob string `yaml:"glob"`
	// Tag is given to their records.
	Tag string `yaml:"tag"`
	// Format is plain, cri or docker-json.
	Format reading.LogFormat `yaml:"format"`
}

// ForwardConfig is the input for Fluentd's forward protocol.
type ForwardConfig struct {
	// Listen is "host:port", or empty for no such input.
	Listen string `yaml:"listen"`
	// SharedKeyFile holds the key that clients must know.
	SharedKeyFile string `yaml:"shared_key_file"`
	CertFile      string `yaml:"cert_file"`
	KeyFile       string `yaml:"key_file"`
}

// RemoteWriteConfig says where samples go.
type RemoteWriteConfig struct {
	// URL is a remote write endpoint, "http(s)://…" or "unix:///path/of/socket"
	// (an aggregator's); empty ships nothing.
	URL       string `yaml:"url"`
	TokenFile string `yaml:"token_file"`
	CAFile    string `yaml:"ca_file"`
	// CertFile and KeyFile are shown to the receiver: the certificate and its
	// key, PEM, which may be one file.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// SpoolSize is the most that waits on disk while the receiver is away.
	SpoolSize config.Size `yaml:"spool_size"`
}

// LogOutputConfig says where log records go.
type LogOutputConfig struct {
	// Address is a forward receiver, "host:port" or "unix:///path"; empty
	// ships nothing.
	Address       string `yaml:"address"`
	SharedKeyFile string `yaml:"shared_key_file"`
	TLS           bool   `yaml:"tls"`
	CAFile        string `yaml:"ca_file"`
	// CertFile and KeyFile are shown to the receiver.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// Foreign is for receivers that are not Lubberline: it writes the fields
	// that a chunk's records have in common into every record.
	Foreign   bool        `yaml:"foreign"`
	SpoolSize config.Size `yaml:"spool_size"`
}

// DefaultConfig is what holds where the file says nothing.
func DefaultConfig() Config {
	sockets := runtime.DefaultSockets()
	return Config{
		Interval: 5 * time.Second,
		HTTP:     "127.0.0.1:4194",
		Runtimes: RuntimesConfig{
			Docker: sockets[runtime.Docker][0], Podman: sockets[runtime.Podman][0],
			Containerd: sockets[runtime.Containerd][0], CRIO: sockets[runtime.CRIO][0],
		},
		Logs:        LogsConfig{Containers: true, FlushInterval: 250 * time.Millisecond},
		Forward:     ForwardConfig{Listen: "127.0.0.1:24224"},
		RemoteWrite: RemoteWriteConfig{SpoolSize: 1 << 30},
		LogOutput:   LogOutputConfig{SpoolSize: 4 << 30},
	}
}

// minSpool is the smallest spool that is of use: two segments.
const minSpool = 16 << 20

// Validate reports everything that is wrong, each with its key and value.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Interval < time.Second || c.Interval%time.Second != 0 {
		fail("interval: %s: want whole seconds, at least 1s", c.Interval)
	}
	if root := string(c.HostRoot); root != "" && (!filepath.IsAbs(root) || filepath.Clean(root) != root) {
		fail("host_root: %q: want an absolute path without \"..\" and without a slash at its end", root)
	}
	if c.Logs.Pods != "" && !filepath.IsAbs(c.Logs.Pods) {
		fail("logs.pods: %q: want an absolute path", c.Logs.Pods)
	}
	if c.Logs.FlushInterval <= 0 {
		fail("logs.flush_interval: %s: want more than 0", c.Logs.FlushInterval)
	}
	if c.RemoteWrite.SpoolSize < minSpool {
		fail("remote_write.spool_size: %s: want at least %s", c.RemoteWrite.SpoolSize, config.Size(minSpool))
	}
	if err := c.LogOutput.validate(); err != nil {
		fail("log_output.%w", err)
	}
	if err := checkURL(c.RemoteWrite.URL); err != nil {
		fail("remote_write.url: %w", err)
	}
	if c.HTTP != "" {
		if err := c.HTTPSecurity.Check(c.HTTP); err != nil {
			fail("http: %w", err)
		}
	}
	if f := c.Forward; f.Listen != "" {
		if err := listen.CheckPolicy(f.Listen, f.CertFile != "", f.SharedKeyFile != ""); err != nil {
			fail("forward: %w", err)
		}
	}
	for i, f := range c.Logs.Files {
		if err := f.validate(); err != nil {
			fail("logs.files[%d].%w", i, err)
		}
	}
	return errors.Join(errs...)
}

func (o LogOutputConfig) validate() error {
	if o.SpoolSize < minSpool {
		return fmt.Errorf("spool_size: %s: want at least %s", o.SpoolSize, config.Size(minSpool))
	}
	if o.CAFile != "" && !o.TLS {
		return errors.New("ca_file: without tls: true it has no effect")
	}
	if o.CertFile != "" && !o.TLS {
		return errors.New("cert_file: without tls: true it has no effect")
	}
	if o.Address == "" || strings.HasPrefix(o.Address, "unix:///") {
		return nil
	}
	if _, port, err := net.SplitHostPort(o.Address); err != nil || port == "" {
		return fmt.Errorf("address: %q: want host:port or unix:///…", o.Address)
	}
	return nil
}

func (f FileConfig) validate() error {
	if !filepath.IsAbs(f.Glob) {
		return fmt.Errorf("glob: %q: want an absolute path", f.Glob)
	}
	if _, err := filepath.Match(f.Glob, ""); err != nil {
		return fmt.Errorf("glob: %q: %w", f.Glob, err)
	}
	switch f.Format {
	case "", reading.Plain, reading.CRI, reading.DockerJSON:
	default:
		return fmt.Errorf("format: %q: want plain, cri or docker-json", f.Format)
	}
	if f.Tag == "" {
		return fmt.Errorf("tag: missing for %q", f.Glob)
	}
	return nil
}

func checkURL(text string) error {
	if text == "" || strings.HasPrefix(text, "unix:///") {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%q: want http://…, https://… or unix:///…", text)
	}
	return nil
}
