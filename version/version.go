// Package version is the program's version.
package version

// Version is set by the linker: what `git describe` says.
var Version = "unknown"
