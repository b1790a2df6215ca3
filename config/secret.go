package config

import (
	"fmt"
	"os"
	"strings"
)

// Secret reads a secret from a file; secrets never stand in the configuration
// itself. An empty path is no secret. Surrounding white space is not part of it.
func Secret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("secret file %s is empty", path)
	}
	return secret, nil
}
