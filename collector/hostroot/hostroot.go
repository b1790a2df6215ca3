// Package hostroot finds the machine's files from inside a container that has
// the machine's root folder mounted elsewhere.
package hostroot

import (
	"path/filepath"

	securejoin "github.com/cyphar/filepath-securejoin"
)

// Root is where the machine's root folder is: absolute and clean, or empty where
// the process sees the machine as it is.
type Root string

// Path is where a path of the machine is. Symbolic links on the way lead to
// where they lead on the machine: Debian's /var/run is "/run", and must not
// become the container's. A path that is not there, or that may not be looked at,
// comes back as if it had no links. Empty stays empty.
func (r Root) Path(path string) string {
	if r == "" || path == "" {
		return path
	}
	if resolved, err := securejoin.SecureJoin(string(r), path); err == nil {
		return resolved
	}
	return filepath.Join(string(r), path)
}
