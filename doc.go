// Package lubberline holds no code: it is where the tests of the whole
// repository's structure live. The parts are in the folders beside it; see
// docs/architecture.md.
package lubberline
