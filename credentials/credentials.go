// Package credentials makes what the parts of an installation know each other
// by: a certificate of the aggregator with an authority of its own, and secrets.
package credentials

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/lubberline/lubberline/orchestrator/pki"
)

// Options say what is made.
type Options struct {
	// Dir gets ca.crt, tls.crt, tls.key, and a file for each secret. Its folder
	// "authority", which only its owner may read, is what renews the certificate.
	Dir string
	// Hosts are the names and addresses that the aggregator is reached by.
	Hosts []string
	// Secrets are names of files with 128 random bits in each.
	Secrets []string
	// Mode is that of the files.
	Mode   os.FileMode
	Logger *slog.Logger
}

// Make writes what is missing, and renews a certificate that is near its end or
// lacks a host. It returns the names of the files that it wrote; secrets that are
// there stay as they are.
func Make(o Options) (written []string, err error) {
	if len(o.Hosts) == 0 {
		return nil, errors.New("credentials: no host that the aggregator is reached by")
	}
	for _, name := range o.Secrets {
		if name == "" || filepath.Base(name) != name || strings.HasPrefix(name, ".") {
			return nil, fmt.Errorf("credentials: secret %q: want the name of a file", name)
		}
	}
	files, err := certificates(o)
	if err != nil {
		return nil, err
	}
	for _, name := range o.Secrets {
		if files[name], err = secret(filepath.Join(o.Dir, name)); err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
	}
	names := append([]string{"ca.crt", "tls.key", "tls.crt"}, o.Secrets...)
	for _, name := range names {
		changed, err := replace(filepath.Join(o.Dir, name), files[name], o.Mode)
		if err != nil {
			return written, fmt.Errorf("credentials: %w", err)
		}
		if changed {
			written = append(written, name)
		}
	}
	return written, nil
}

// certificates are the files that an authority of ours vouches for.
func certificates(o Options) (map[string][]byte, error) {
	authority, err := pki.Open(pki.Options{Dir: filepath.Join(o.Dir, "authority"), Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	pair, err := authority.Pair(pki.Request{Name: "aggregator", User: "aggregator", Hosts: o.Hosts})
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	certificate, key := pair.CurrentCertKeyContent()
	return map[string][]byte{"ca.crt": authority.CA(), "tls.crt": certificate, "tls.key": key}, nil
}

// secret is what the file holds, or a new one where there is none.
func secret(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []byte(rand.Text()), nil
	}
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		return nil, fmt.Errorf("%s is empty: remove it, or put the secret into it", path)
	}
	return text, err
}

// replace writes a file that does not hold that already.
func replace(path string, text []byte, mode os.FileMode) (changed bool, err error) {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return false, os.Chmod(path, mode)
	}
	return true, pki.WriteFile(path, text, mode)
}
