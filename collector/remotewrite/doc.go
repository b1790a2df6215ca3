// Package remotewrite ships every tick to a store by Prometheus remote write,
// through a queue on disk. It speaks version 2.0 and falls back to 1.0.
//
// A tick is encoded at once, compressed and put on disk by a second goroutine,
// and sent by a third, so that sampling waits neither for the disk nor for the
// receiver. What the receiver has refused for good goes to a dead-letter file.
package remotewrite
