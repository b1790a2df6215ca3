package proxy

import "github.com/lubberline/lubberline/orchestrator/netfilter"

// kernelGeneration is the number of the kernel's set of rules; that of a table
// which is not the kernel's is not known.
func kernelGeneration(real bool) (generation uint32, known bool) {
	if !real {
		return 0, false
	}
	return netfilter.Generation()
}
