// Package parity holds no code, only the test that our figures are cAdvisor's
// and the kernel's. It makes cgroups under load and reads each of them four
// times in a row: the kernel's file, ours, cAdvisor's library, the file again. A
// counter must lie between the two readings of the file, a gauge within one per
// cent.
//
// It runs where LUBBERLINE_REAL=1 is set, and needs root.
package parity
